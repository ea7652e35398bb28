"""The embedded model: ACE-Step model sets of the real classes at small size, and where `mini` lies.

In: nothing but this package. Out: folders that load like any checkpoint. Importing this costs no torch.
"""
