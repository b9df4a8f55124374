using AiOs.Runtime;

namespace AiOs.Training.Modules;

/// <summary>The shape of a GPT-2 model.</summary>
public sealed record GptConfig
{
    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Attention heads of a block.</summary>
    public required int Heads { get; init; }

    /// <summary>Width of the residual stream; a multiple of <see cref="Heads"/>.</summary>
    public required int Embd { get; init; }

    /// <summary>Longest sequence: the number of learned positions.</summary>
    public required int Block { get; init; }

    /// <summary>Number of token ids.</summary>
    public required int Vocab { get; init; }

    /// <summary>
    /// Dropout of the embeddings and of the output of both halves of every block while training; 0 or more, below 1.
    /// Attention weights are not dropped.
    /// </summary>
    public float Dropout { get; init; }

    /// <summary>Refuses a shape that no model can have.</summary>
    /// <exception cref="AiOsException">A value is out of range.</exception>
    public void Validate()
    {
        const int widestHead = 256;
        (string Name, int Value)[] extents =
            [("--layers", Layers), ("--heads", Heads), ("--embd", Embd), ("--block", Block), ("--vocab", Vocab)];
        foreach ((string name, int value) in extents)
        {
            if (value < 1)
            {
                throw new AiOsException($"{name} {value} makes no model; use 1 or more");
            }
        }

        if (Embd % Heads != 0)
        {
            throw new AiOsException($"--embd {Embd} is not a multiple of --heads {Heads}; change one of them");
        }

        if (Embd / Heads > widestHead)
        {
            throw new AiOsException(
                $"--embd {Embd} with --heads {Heads} gives heads of {Embd / Heads}, more than {widestHead}; use more heads");
        }

        if (!(Dropout >= 0 && Dropout < 1))
        {
            throw new AiOsException($"--dropout {Dropout} is no probability below 1; use 0 or more and less than 1");
        }
    }
}
