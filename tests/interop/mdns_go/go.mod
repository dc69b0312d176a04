module muon.test/mdns

go 1.24

require go-micro.dev/v5 v5.12.0

require (
	github.com/google/uuid v1.6.0 // indirect
	github.com/miekg/dns v1.1.50 // indirect
	golang.org/x/net v0.38.0 // indirect
	golang.org/x/sys v0.32.0 // indirect
)
