"""What Pullwatch costs, measured beside what people use today: `make bench`. Nothing here runs in `make test`.

Each module measures one thing and gives figures: ratios and counts taken in one run, so that they hold on other
machines too. docs/scale.md tells what they came to, and what follows from them.
"""
