namespace AiOs.Runtime;

/// <summary>Names of kernels as the compiler writes them.</summary>
internal static class CudaNames
{
    /// <summary>
    /// The function's own name: the last of those that a mangled name spells with their lengths, before the arguments of
    /// its template (Itanium C++ ABI, 5.1). A name that is not mangled stays as it is.
    /// </summary>
    public static string Demangle(string name)
    {
        if (!name.StartsWith("_Z", StringComparison.Ordinal))
        {
            return name;
        }

        string found = name;
        int at = name.Length > 2 && name[2] == 'N' ? 3 : 2;
        while (at < name.Length && char.IsAsciiDigit(name[at]))
        {
            int length = 0;
            for (; at < name.Length && char.IsAsciiDigit(name[at]); at++)
            {
                length = (length * 10) + name[at] - '0';
            }

            if (length > name.Length - at)
            {
                break;
            }

            found = name.Substring(at, length);
            at += length;
        }

        return found;
    }
}
