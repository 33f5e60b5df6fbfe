"""How a model is told to answer; stands at the end of its prompt."""

HOW = """\
Answer with one change, through the tool you are given, or else with one JSON object of this form and nothing else:

{"description": "the change in one line",
 "asi": {"hypothesis": "what you expect, and why", "arch_change": "what differs, NAME old→new where it is a constant",
         "expected": "the metric you expect", "next_action_hint": "what next if it works, and if it does not"},
 "edits": [{"file": "train.py", "search": "text to find", "replace": "text to put there"}],
 "answers": [{"id": "a message's id", "text": "your answer in a sentence"}]}

Each edit's search text must stand exactly once in the file as shown above, to the letter, indentation included: take
whole lines, as few as make it the only place. Edits are made in order. What you do not name stays as it is. You cannot
run anything, and you see no result before the next experiment. What results so far are shortened above, the tool
`history` shows whole: by words or by a run's number, a few times before you answer."""
