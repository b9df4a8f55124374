namespace AiOs.InteropGen;

/// <summary>A reason why nothing was generated: one line that says where and what to do.</summary>
public sealed class GenerationException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="message">One line.</param>
    public GenerationException(string message) : base(message)
    {
    }

    /// <summary>Creates the error with the place in a header that it is about.</summary>
    /// <param name="location">Where.</param>
    /// <param name="message">What is wrong there.</param>
    public GenerationException(SourceLocation location, string message) : base($"{location}: {message}")
    {
    }
}

/// <summary>A place in a header.</summary>
/// <param name="File">Path as clang was given it.</param>
/// <param name="Line">Line, from 1.</param>
/// <param name="Offset">Byte offset, from 0.</param>
public readonly record struct SourceLocation(string File, int Line, int Offset)
{
    /// <inheritdoc/>
    public override string ToString() => $"{File}:{Line}";
}
