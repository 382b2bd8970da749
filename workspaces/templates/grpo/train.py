"""Protected. The training command: opens a session, runs the recipe, writes the policy it returns."""

import recipe
from session import Session

if __name__ == "__main__":
    session = Session()
    session.finish(recipe.train(session))
