namespace AiOs.InteropGen.Model;

/// <summary>What a function does to memory.</summary>
public enum AccessVerb
{
    /// <summary>It only reads it.</summary>
    Reads,

    /// <summary>It writes it, and may read it.</summary>
    Writes,

    /// <summary>Memory of a structure, accessed as the structure is.</summary>
    Holds,
}

/// <summary>A dimension of what is accessed, as C# expressions.</summary>
/// <param name="Extent">Number of elements; or an array of them, one per dimension.</param>
/// <param name="Stride">Elements from one to the next, or an array of them; null when the dimension is dense.</param>
public readonly record struct AccessDimension(string Extent, string? Stride);

/// <summary>One buffer that a function accesses, with everything as C# expressions.</summary>
/// <param name="Verb">How.</param>
/// <param name="Name">Name of the buffer for messages.</param>
/// <param name="Pointer">Its address.</param>
/// <param name="ElementSize">Bytes of an element.</param>
/// <param name="Dimensions">Outermost first.</param>
/// <param name="Rank">Number of dimensions that the arrays of the only one stand for; null when it has no arrays.</param>
/// <param name="Condition">When it is accessed; null for always.</param>
/// <param name="Requires">The pointer to the structure that the expressions look into, which may be null; null for none.</param>
public sealed record Access(
    AccessVerb Verb, string Name, string Pointer, string ElementSize, IReadOnlyList<AccessDimension> Dimensions, string? Rank, string? Condition,
    IReadOnlyList<string> Requires)
{
    /// <summary>What each row of a table accesses, when the buffer is one: expressions over <c>row</c>.</summary>
    public IReadOnlyList<Access> Rows { get; init; } = [];

    /// <summary>C# type of a row.</summary>
    public string RowType { get; init; } = "";
}
