"""Protected. Prints the mean squared error of model.json on points that training never sees."""

import json

with open("model.json") as file:
    model = [float(coefficient) for coefficient in json.load(file)]
points = [step / 50 - 1 for step in range(101)]
errors = [(sum(c * x**k for k, c in enumerate(model)) - (x**3 - x)) ** 2 for x in points]
print(f"error: {sum(errors) / len(errors):.6f}")
