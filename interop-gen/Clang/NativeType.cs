namespace AiOs.InteropGen.Clang;

/// <summary>A C type.</summary>
public abstract record NativeType
{
    /// <summary>Writes a declaration of this type.</summary>
    /// <param name="declarator">The name being declared, or empty for the type alone.</param>
    /// <returns>C source such as <c>const float *x</c>.</returns>
    public abstract string Spell(string declarator);

    /// <inheritdoc/>
    public sealed override string ToString() => Spell("");
}

/// <summary>A type that is written as words: a builtin type, a typedef or a tag.</summary>
/// <param name="Name">For example <c>unsigned int</c>, <c>size_t</c> or <c>struct point</c>.</param>
/// <param name="IsConst">Whether it is qualified by const.</param>
public sealed record CName(string Name, bool IsConst) : NativeType
{
    /// <inheritdoc/>
    public override string Spell(string declarator) =>
        (IsConst ? "const " : "") + Name + (declarator.Length == 0 ? "" : " " + declarator);
}

/// <summary>A pointer.</summary>
/// <param name="Target">What it points to.</param>
/// <param name="IsConst">Whether the pointer itself is qualified by const.</param>
public sealed record CPointer(NativeType Target, bool IsConst) : NativeType
{
    /// <inheritdoc/>
    public override string Spell(string declarator)
    {
        string star = IsConst ? $"*const{(declarator.Length == 0 ? "" : " ")}{declarator}" : "*" + declarator;
        return Target.Spell(Target is CArray or CFunction ? $"({star})" : star);
    }
}

/// <summary>An array.</summary>
/// <param name="Element">Type of one element.</param>
/// <param name="Length">Number of elements; null when the header leaves it open.</param>
public sealed record CArray(NativeType Element, int? Length) : NativeType
{
    /// <inheritdoc/>
    public override string Spell(string declarator) => Element.Spell($"{declarator}[{Length}]");
}

/// <summary>A function.</summary>
/// <param name="Result">Type of the result.</param>
/// <param name="Parameters">Types of the parameters.</param>
/// <param name="IsVariadic">Whether more arguments may follow.</param>
public sealed record CFunction(NativeType Result, IReadOnlyList<NativeType> Parameters, bool IsVariadic) : NativeType
{
    /// <inheritdoc/>
    public override string Spell(string declarator)
    {
        IEnumerable<string> parameters = Parameters.Select(p => p.ToString());
        if (IsVariadic)
        {
            parameters = parameters.Append("...");
        }

        string list = string.Join(", ", parameters);
        return Result.Spell($"{declarator}({(list.Length == 0 ? "void" : list)})");
    }
}

/// <summary>A type that there is no rule for; an error only where something bound needs it.</summary>
/// <param name="Text">The type as clang spells it.</param>
public sealed record CUnknown(string Text) : NativeType
{
    /// <inheritdoc/>
    public override string Spell(string declarator) => Text;
}
