namespace AiOs.Tests;

/// <summary>Tests that look at the whole process, or change it: each of them runs while no other test does.</summary>
[CollectionDefinition("one at a time", DisableParallelization = true)]
public sealed class OneAtATime;
