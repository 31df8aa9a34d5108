// Numbers and names as people read them.

export const logistic = (logOdds) => 1 / (1 + Math.exp(-logOdds));

/** "24", or "fewer than 1" where rounding would say none. */
export function ofHundred(share) {
  const whole = Math.round(100 * share);
  if (share > 0 && whole === 0) return "fewer than 1";
  return share < 1 && whole === 100 ? "more than 99" : String(whole);
}

export const percent = (share) => `${ofHundred(share)} %`.replace("fewer than", "under").replace("more than", "over");

export const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(2)}`;

export const capital = (words) => words.charAt(0).toUpperCase() + words.slice(1);

/** "not_improved_12m" as "Not improved". */
export const outcomeTitle = (outcome) => capital(outcome.replace(/_\d+m$/, "").replaceAll("_", " "));
