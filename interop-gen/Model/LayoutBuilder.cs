using System.Text.RegularExpressions;
using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>Asks clang for the sizes and offsets of the bound structs.</summary>
/// <param name="binding">The binding.</param>
/// <param name="used">Bindings whose types it may use.</param>
public sealed partial class LayoutBuilder(Binding binding, IReadOnlyList<Binding> used)
{
    /// <summary>Fills in sizes, offsets and whether C# needs them written out.</summary>
    /// <param name="evaluator">Evaluates expressions over the header.</param>
    public void Complete(Evaluator evaluator)
    {
        var questions = new List<Expression>(binding.Handles.Select(h => new Expression($"sizeof({h.Declaration.Name})", h.Declaration.Location)));
        foreach (BoundStruct item in binding.Structs)
        {
            questions.Add(new Expression($"sizeof({item.Spelling})", item.Declaration.Location));
            questions.Add(new Expression($"_Alignof({item.Spelling})", item.Declaration.Location));
            foreach (FieldDeclaration field in item.Fields.Select(f => f.Declaration))
            {
                questions.Add(new Expression($"__builtin_offsetof({item.Spelling}, {field.Name})", field.Location));
                questions.Add(new Expression($"sizeof((({item.Spelling} *)0)->{field.Name})", field.Location));
            }
        }

        var answers = new Queue<long>(evaluator.Integers(questions));
        binding.Handles.ForEach(handle => handle.Size = answers.Dequeue());

        // The structs stand in the order of their dependencies, so that those inside are known first.
        foreach (BoundStruct item in binding.Structs)
        {
            item.Size = answers.Dequeue();
            item.NativeAlignment = answers.Dequeue();
            foreach (BoundField field in item.Fields)
            {
                field.Offset = answers.Dequeue();
                field.Size = answers.Dequeue();
            }

            item.Alignment = item.Fields.Select(field => Alignment(field.Type)).DefaultIfEmpty(1).Max();
            item.IsExplicit = item.Overlaps || !IsSequential(item);
        }

        CheckArguments();
    }

    // A struct with more alignment than C# can express may live in memory, but the calling convention would differ.
    private void CheckArguments()
    {
        foreach (FunctionDeclaration function in binding.Functions.Select(f => f.Declaration))
        {
            foreach (NativeType type in function.Parameters.Select(p => p.Type).Append(function.Result))
            {
                if (type is CName name && binding.TypeNames.TryGetValue(name.Name, out string? mapped)
                    && binding.Structs.Any(s => s.Name == mapped && s.NativeAlignment > s.Alignment))
                {
                    throw new GenerationException(
                        function.Location, $"'{function.Name}' passes the over-aligned '{name.Name}' by value, which is not supported; exclude it in the manifest");
                }
            }
        }
    }

    private bool IsSequential(BoundStruct item)
    {
        long end = 0;
        foreach (BoundField field in item.Fields)
        {
            if (field.Offset != RoundUp(end, Alignment(field.Type)))
            {
                return false;
            }

            end = field.Offset + field.Size;
        }

        return item.Size == RoundUp(end, item.Alignment);
    }

    // The alignment that C# gives a type.
    private long Alignment(string type)
    {
        if (FixedArray().Match(type) is { Success: true } array)
        {
            return Alignment(array.Groups[1].Value);
        }

        string name = type[(type.LastIndexOf('.') + 1)..];
        foreach (Binding source in used.Prepend(binding))
        {
            if (source.Structs.FirstOrDefault(s => s.Name == name) is BoundStruct item)
            {
                return item.Alignment;
            }

            if (source.Enums.FirstOrDefault(e => e.Name == name) is BoundEnumeration enumeration)
            {
                return enumeration.Size;
            }

            if (source.Handles.FirstOrDefault(h => h.Declaration.Name == name) is BoundHandle handle)
            {
                return handle.Size;
            }
        }

        return name switch
        {
            "byte" or "sbyte" => 1,
            "short" or "ushort" => 2,
            "int" or "uint" or "float" => 4,
            _ => 8,
        };
    }

    private static long RoundUp(long value, long multiple) => (value + multiple - 1) / multiple * multiple;

    [GeneratedRegex("^FixedArray[0-9]+<(.*)>$")]
    private static partial Regex FixedArray();
}
