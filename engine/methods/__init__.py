"""The one table of training methods. A new method is one file here and one line in METHODS."""

from engine.methods import dpo, kto, pretrain, reward, sft

METHODS = {method.name: method for method in (sft.METHOD, dpo.METHOD, kto.METHOD, reward.METHOD, pretrain.METHOD)}
