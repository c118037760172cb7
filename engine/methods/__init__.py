"""The one table of training methods. A new method is one file here and one line in METHODS."""

from engine.methods import dpo, grpo, kto, ppo, pretrain, rejection, reward, rloo, sft

METHODS = {
    method.name: method
    for method in (
        sft.METHOD,
        pretrain.METHOD,
        dpo.METHOD,
        kto.METHOD,
        reward.METHOD,
        ppo.METHOD,
        rloo.METHOD,
        grpo.METHOD,
        rejection.METHOD,
    )
}
