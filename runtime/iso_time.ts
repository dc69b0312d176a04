/**
 * Times as text, without `Date`, whose constructor would ask the machine for the time.
 *
 * @module
 */

const DAY = 86_400_000;

/**
 * A time as ISO 8601 has it, in UTC, to the millisecond. Days are turned into dates as in Howard Hinnant,
 * {@link https://howardhinnant.github.io/date_algorithms.html#civil_from_days | civil_from_days}.
 *
 * @param ms Milliseconds since the Unix epoch, in the years 0 to 9999.
 *
 * @example
 * ```ts
 * isoTime(1_700_000_000_000); // "2023-11-14T22:13:20.000Z"
 * ```
 */
export function isoTime(ms: number): string {
  const whole = Math.floor(ms);
  const days = Math.floor(whole / DAY);
  const inDay = whole - days * DAY;

  // Years that begin in March put the leap day at their end; eras of 400 of them are all alike.
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const march = Math.floor((5 * dayOfYear + 2) / 153);
  const day = dayOfYear - Math.floor((153 * march + 2) / 5) + 1;
  const month = march < 10 ? march + 3 : march - 9;
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0);

  const hours = Math.floor(inDay / 3_600_000);
  const minutes = Math.floor(inDay / 60_000) % 60;
  const seconds = Math.floor(inDay / 1_000) % 60;
  const date = `${pad(year, 4)}-${pad(month)}-${pad(day)}`;
  return `${date}T${pad(hours)}:${pad(minutes)}:${pad(seconds)}.${pad(inDay % 1_000, 3)}Z`;
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, "0");
}
