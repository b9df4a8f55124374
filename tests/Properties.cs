using FsCheck;
using Microsoft.FSharp.Core;

namespace AiOs.Tests;

/// <summary>
/// How properties are checked: on random inputs that are the same in every run, so that a test that passed passes again. Another
/// seed is another search.
/// </summary>
internal static class Properties
{
    private static readonly Rnd s_seed = new(20_261_122, 1);

    /// <summary>So many inputs; the first that fails is thrown with what it was reduced to.</summary>
    public static Config Tries(int inputs) =>
        Config.QuickThrowOnFailure.WithMaxTest(inputs).WithReplay(FSharpOption<Replay>.Some(new Replay(s_seed, FSharpOption<int>.None)));
}
