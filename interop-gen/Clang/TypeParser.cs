using System.Globalization;

namespace AiOs.InteropGen.Clang;

/// <summary>Reads the types that clang's JSON gives as text only, such as <c>void (*)(const char *, int[3])</c>.</summary>
public ref struct TypeParser
{
    private readonly ReadOnlySpan<char> _text;
    private int _at;

    private TypeParser(ReadOnlySpan<char> text) => _text = text;

    /// <summary>Reads one type.</summary>
    /// <param name="text">The type as clang spells it.</param>
    /// <returns>The type; <see cref="CUnknown"/> when the spelling holds something that there is no rule for.</returns>
    public static NativeType Parse(string text)
    {
        var parser = new TypeParser(text);
        try
        {
            NativeType type = parser.ParseType();
            return parser._at == text.Length ? type : new CUnknown(text);
        }
        catch (FormatException)
        {
            return new CUnknown(text);
        }
    }

    private NativeType ParseType()
    {
        bool isConst = false;
        var words = new List<string>();
        while (PeekWord() is { Length: > 0 } word)
        {
            _at += word.Length;
            switch (word)
            {
                case "const":
                    isConst = true;
                    break;
                case "volatile" or "restrict" or "__restrict":
                    break;
                case "_Complex" or "_Atomic" or "__attribute__" or "__vector":
                    throw Unsupported();
                default:
                    words.Add(word);
                    break;
            }
        }

        return words.Count == 0 ? throw Unsupported() : ParseDeclarator(new CName(string.Join(' ', words), isConst));
    }

    // An abstract declarator: pointers, then a parenthesised declarator or nothing, then array and parameter suffixes.
    private NativeType ParseDeclarator(NativeType type)
    {
        while (Take('*'))
        {
            bool isConst = false;
            while (PeekWord() is { Length: > 0 } word)
            {
                isConst |= word == "const";
                _at += word is "const" or "volatile" or "restrict" or "__restrict" ? word.Length : throw Unsupported();
            }

            type = new CPointer(type, isConst);
        }

        int nested = -1;
        SkipSpaces();
        if (_at + 1 < _text.Length && _text[_at] == '(' && _text[_at + 1] is '*' or '(')
        {
            nested = ++_at;
            SkipNested();
        }

        type = ParseSuffixes(type);
        if (nested < 0)
        {
            return type;
        }

        int end = _at;
        _at = nested;
        type = ParseDeclarator(type);
        Expect(')');
        _at = end;
        return type;
    }

    private NativeType ParseSuffixes(NativeType type)
    {
        if (Take('['))
        {
            string digits = PeekWord();
            _at += digits.Length;
            Expect(']');
            NativeType element = ParseSuffixes(type);
            return new CArray(element, digits.Length == 0 ? null : ParseLength(digits));
        }

        if (!Take('('))
        {
            return type;
        }

        var parameters = new List<NativeType>();
        bool variadic = false;
        while (!Take(')'))
        {
            if (_text[_at..].StartsWith("..."))
            {
                _at += 3;
                variadic = true;
            }
            else
            {
                parameters.Add(ParseType());
            }

            Take(',');
        }

        if (parameters is [CName { Name: "void" }])
        {
            parameters.Clear();
        }

        return new CFunction(ParseSuffixes(type), parameters, variadic);
    }

    private static int ParseLength(string digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out int length) ? length : throw Unsupported();

    private string PeekWord()
    {
        SkipSpaces();
        int end = _at;
        while (end < _text.Length && (char.IsAsciiLetterOrDigit(_text[end]) || _text[end] == '_'))
        {
            end++;
        }

        return _text[_at..end].ToString();
    }

    private void SkipSpaces()
    {
        while (_at < _text.Length && _text[_at] == ' ')
        {
            _at++;
        }
    }

    private void SkipNested()
    {
        for (int depth = 1; depth > 0; _at++)
        {
            if (_at == _text.Length)
            {
                throw Unsupported();
            }

            depth += _text[_at] switch { '(' => 1, ')' => -1, _ => 0 };
        }
    }

    private bool Take(char c)
    {
        SkipSpaces();
        if (_at < _text.Length && _text[_at] == c)
        {
            _at++;
            SkipSpaces();
            return true;
        }

        return false;
    }

    private void Expect(char c)
    {
        if (!Take(c))
        {
            throw Unsupported();
        }
    }

    private static FormatException Unsupported() => new();
}
