using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Model;

/// <summary>Asks clang for the sizes and offsets of the bound structs.</summary>
public static class LayoutBuilder
{
    /// <summary>Fills in sizes, offsets and whether C# needs them written out.</summary>
    /// <param name="binding">The binding.</param>
    /// <param name="evaluator">Evaluates expressions over its header.</param>
    public static void Complete(Binding binding, Evaluator evaluator)
    {
        var questions = new List<Expression>();
        foreach (BoundStruct item in binding.Structs)
        {
            questions.Add(new Expression($"sizeof({item.Spelling})", item.Declaration.Location));
            foreach (FieldDeclaration field in item.Fields.Select(f => f.Declaration))
            {
                string access = $"(({item.Spelling} *)0)->{field.Name}";
                questions.Add(new Expression($"__builtin_offsetof({item.Spelling}, {field.Name})", field.Location));
                questions.Add(new Expression($"sizeof({access})", field.Location));
                questions.Add(new Expression($"_Alignof(__typeof__({access}))", field.Location));
            }
        }

        var answers = new Queue<long>(evaluator.Integers(questions));
        foreach (BoundStruct item in binding.Structs)
        {
            item.Size = answers.Dequeue();
            foreach (BoundField field in item.Fields)
            {
                field.Offset = answers.Dequeue();
                field.Size = answers.Dequeue();
                field.Alignment = answers.Dequeue();
            }

            item.IsExplicit = item.Overlaps || !IsSequential(item);
        }
    }

    private static bool IsSequential(BoundStruct item)
    {
        long end = 0;
        long alignment = 1;
        foreach (BoundField field in item.Fields)
        {
            if (field.Offset != RoundUp(end, field.Alignment))
            {
                return false;
            }

            end = field.Offset + field.Size;
            alignment = Math.Max(alignment, field.Alignment);
        }

        return item.Size == RoundUp(end, alignment);
    }

    private static long RoundUp(long value, long multiple) => (value + multiple - 1) / multiple * multiple;
}
