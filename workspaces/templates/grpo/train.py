"""Protected. The training command: opens a session, runs the recipe, writes the policy it returns."""

from session import Session

import recipe

if __name__ == "__main__":
    session = Session()
    session.finish(recipe.train(session))
