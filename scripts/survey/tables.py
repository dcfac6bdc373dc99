"""Synthetic data: sentences with a sentiment, and a table with numeric and categorical columns."""

import numpy as np
import pandas as pd

SENTENCES = [
    ("the parcel came on time and the shop was friendly", "good"),
    ("great quality, I would buy it again", "good"),
    ("works well and looks nice", "good"),
    ("fast delivery, fair price", "good"),
    ("I am happy with this lamp", "good"),
    ("the best chair that I ever had", "good"),
    ("broken on arrival and nobody answers", "bad"),
    ("far too expensive for what it is", "bad"),
    ("the colour is wrong and it smells", "bad"),
    ("never again, a waste of money", "bad"),
    ("it stopped after two days", "bad"),
    ("poor quality and slow delivery", "bad"),
    ("it is a lamp", "neutral"),
    ("the box is brown and large", "neutral"),
    ("I have not used it yet", "neutral"),
    ("ordered on monday, came on friday", "neutral"),
]

CATEGORIES = ["plan", "payment"]


def table(rows=400):
    """Subscribers: their contract, what they pay, and whether they left."""
    noise = np.random.default_rng(10)
    months = noise.integers(1, 72, rows).astype(np.float32)
    charge = noise.uniform(10, 120, rows).round(2).astype(np.float32)
    calls = noise.poisson(1.5, rows).astype(np.float32)
    plan = noise.choice(["basic", "plus", "business"], rows)
    payment = noise.choice(["card", "direct debit", "invoice"], rows)
    risk = 0.6 * calls - 0.05 * months + 0.8 * (plan == "basic") + noise.normal(size=rows)
    return pd.DataFrame(
        {
            "months": months,
            "charge": charge,
            "calls": calls,
            "plan": plan.astype(object),
            "payment": payment.astype(object),
            "left": np.where(risk > 0, "yes", "no"),
            "spent": months * charge,
        }
    )


TABLE = table()
