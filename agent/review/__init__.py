"""Human verdicts on an agent's candidates (accept, reject or unsure), and how far people agree."""
