"""Writes `sales.csv`: two hundred orders of a made-up tea merchant.

Run it in this folder when the table should change; the same rows come out each
time, from a generator of our own rather than Python's, which may change.
"""

import datetime

REGIONS = ["North", "South", "East", "West", "Islands"]
SELLERS = ["Adler, M.", "Brandt, J.", "Castillo, R.", "Duval, S.", "Eriksen, T.", "Fujita, K."]
PRODUCTS = [
    ("Assam", "black", 1240),
    ("Darjeeling", "black", 1890),
    ("Earl Grey", "black", 990),
    ("Gunpowder", "green", 870),
    ("Sencha", "green", 1650),
    ("Matcha, ceremonial", "green", 3900),
    ("Silver Needle", "white", 4400),
    ('Oolong "Iron Goddess"', "oolong", 2750),
    ("Chamomile", "herbal", 640),
    ("Rooibos", "herbal", 720),
]
ROWS = 200


def random_numbers(state):
    """Yields the upper bits of a 64-bit linear congruential generator."""
    while True:
        state = (state * 6364136223846793005 + 1442695040888963407) % 2**64
        yield state >> 33


def quoted(field):
    return '"' + field.replace('"', '""') + '"' if "," in field or '"' in field else field


def rows():
    random = random_numbers(2026)
    day = datetime.date(2025, 1, 2)
    for number in range(ROWS):
        day += datetime.timedelta(days=(0, 1, 1, 2, 3)[next(random) % 5])
        region = next(random) % len(REGIONS)
        # Each seller works mostly in one region, each region has its taste.
        seller = SELLERS[region if next(random) % 4 else next(random) % len(SELLERS)]
        product, kind, price_cents = PRODUCTS[(next(random) % 7 + region) % len(PRODUCTS)]
        quantity = 1 + next(random) % 12 + (24 if next(random) % 9 == 0 else 0)
        discount = (0, 0, 0, 5, 10)[next(random) % 5] if quantity > 6 else 0
        amount_cents = price_cents * quantity * (100 - discount) // 100
        fields = [f"T-{10001 + number}", day.isoformat(), REGIONS[region], seller, product, kind,
                  str(quantity), f"{price_cents / 100:.2f}", str(discount), f"{amount_cents / 100:.2f}"]
        yield ",".join(map(quoted, fields))


with open("sales.csv", "w", newline="\n", encoding="utf-8") as out:
    print("order,date,region,seller,product,kind,quantity,price,discount,amount", file=out)
    for row in rows():
        print(row, file=out)
