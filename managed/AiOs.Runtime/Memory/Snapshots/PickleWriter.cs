using System.Buffers.Binary;
using System.Text;

namespace AiOs.Runtime;

/// <summary>
/// Writes Python objects as a pickle of protocol 2, with the opcodes that PyTorch's memory_viz page knows. Strings are
/// written once and referred to afterwards.
/// </summary>
internal sealed class PickleWriter(System.IO.Stream output)
{
    /// <summary>Items per APPENDS: the page passes them to one call as arguments, of which browsers allow some ten thousand.</summary>
    private const int Batch = 1000;

    private readonly Dictionary<object, int> _memo = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, string> _strings = [];
    private readonly byte[] _scratch = new byte[10];

    /// <summary>Begins the pickle.</summary>
    public void Start() => output.Write([0x80, 2]); // PROTO

    /// <summary>Ends the pickle with the one object that was written.</summary>
    public void Stop() => output.WriteByte((byte)'.');

    /// <summary>A list.</summary>
    public void List<T>(IEnumerable<T> items, Action<T> write)
    {
        output.WriteByte((byte)']'); // EMPTY_LIST
        foreach (T[] batch in items.Chunk(Batch))
        {
            output.WriteByte((byte)'('); // MARK
            foreach (T item in batch)
            {
                write(item);
            }

            output.WriteByte((byte)'e'); // APPENDS
        }
    }

    /// <summary>A dictionary; <paramref name="write"/> writes keys and values in turns.</summary>
    public void Dictionary(Action write)
    {
        output.Write("}("u8); // EMPTY_DICT, MARK
        write();
        output.WriteByte((byte)'u'); // SETITEMS
    }

    /// <summary>An object that may come again: written the first time, referred to by name afterwards.</summary>
    public void Once(object identity, Action write)
    {
        if (_memo.TryGetValue(identity, out int number))
        {
            Reference('j', number); // LONG_BINGET
            return;
        }

        write();
        _memo.Add(identity, _memo.Count);
        Reference('r', _memo.Count - 1); // LONG_BINPUT
    }

    /// <summary>A key and a number.</summary>
    public void Item(string key, long value)
    {
        Text(key);
        Number(value);
    }

    /// <summary>A key and a string.</summary>
    public void Item(string key, string value)
    {
        Text(key);
        Text(value);
    }

    /// <summary>A key and a truth value.</summary>
    public void Item(string key, bool value)
    {
        Text(key);
        output.WriteByte((byte)(value ? 0x88 : 0x89)); // NEWTRUE, NEWFALSE
    }

    /// <summary>A key and whatever is written next.</summary>
    public void Key(string key) => Text(key);

    /// <summary>A string.</summary>
    public void Text(string value)
    {
        if (!_strings.TryGetValue(value, out string? known))
        {
            _strings.Add(value, known = value);
        }

        Once(known, () =>
        {
            byte[] utf8 = Encoding.UTF8.GetBytes(value);
            Reference('X', utf8.Length); // BINUNICODE
            output.Write(utf8);
        });
    }

    private void Number(long value)
    {
        if (value is >= int.MinValue and <= int.MaxValue)
        {
            Reference('J', (int)value); // BININT
            return;
        }

        _scratch[0] = 0x8a; // LONG1
        _scratch[1] = 8;
        BinaryPrimitives.WriteInt64LittleEndian(_scratch.AsSpan(2), value);
        output.Write(_scratch);
    }

    private void Reference(char opcode, int number)
    {
        _scratch[0] = (byte)opcode;
        BinaryPrimitives.WriteInt32LittleEndian(_scratch.AsSpan(1), number);
        output.Write(_scratch, 0, 5);
    }
}
