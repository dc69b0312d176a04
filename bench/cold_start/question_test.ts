import { smoke } from "../smoke.ts";
import question from "./question.ts";

smoke(question);
