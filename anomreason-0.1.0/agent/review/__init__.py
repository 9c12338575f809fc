"""Human verdicts on an agent's candidates: accept, reject or unsure; who agreed; what is left."""
