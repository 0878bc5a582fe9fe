"""Regions of images for the cross-encoders: features and boxes, where they lie, and tables of questions.

Only converting imports torch.
"""
