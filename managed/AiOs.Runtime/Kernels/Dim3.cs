namespace AiOs.Runtime;

/// <summary>How many blocks a grid has, or threads a block, in each direction.</summary>
/// <param name="X">In the first direction, at least 1.</param>
/// <param name="Y">In the second.</param>
/// <param name="Z">In the third.</param>
public readonly record struct Dim3(int X, int Y = 1, int Z = 1)
{
    /// <summary>As many in the first direction alone.</summary>
    /// <param name="x">At least 1.</param>
    public static implicit operator Dim3(int x) => new(x);

    /// <summary>"(x,y,z)".</summary>
    public override string ToString() => $"({X},{Y},{Z})";
}
