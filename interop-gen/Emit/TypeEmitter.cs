using AiOs.InteropGen.Clang;
using AiOs.InteropGen.Model;

namespace AiOs.InteropGen.Emit;

/// <summary>Emits handles, opaque types, structs, enums and constants.</summary>
public static class TypeEmitter
{
    /// <summary>The C# of a binding's handles, opaque types and structs; null when it has none.</summary>
    public static string? EmitStructs(Binding binding)
    {
        if (binding.Handles.Count + binding.Opaques.Count + binding.Structs.Count == 0)
        {
            return null;
        }

        Manifest manifest = binding.Manifest;
        var writer = new CSharpWriter(Path.GetFileName(manifest.Header), ["System.Runtime.InteropServices"], manifest.Namespace);
        foreach (BoundHandle handle in InOrder(binding.Handles, h => h.Declaration))
        {
            writer.Line();
            writer.Document(manifest, handle.Declaration, $"typedef {handle.Declaration.Type.Spell(handle.Declaration.Name)}");
            writer.Line("/// <param name=\"Value\">The value that the library gave.</param>");
            writer.Line($"public readonly record struct {Identifiers.Escape(handle.Declaration.Name)}({handle.Underlying} Value);");
        }

        foreach (BoundOpaque opaque in InOrder(binding.Opaques, o => o.Declaration))
        {
            writer.Line();
            writer.Summary($"<c>struct {opaque.Name}</c>, of which only pointers exist.");
            writer.Line($"public readonly struct {Identifiers.Escape(opaque.Name)};");
        }

        foreach (BoundStruct item in InOrder(binding.Structs, s => s.Declaration))
        {
            writer.Line();
            EmitStruct(writer, manifest, item);
        }

        return writer.ToString();
    }

    private static void EmitStruct(CSharpWriter writer, Manifest manifest, BoundStruct item)
    {
        writer.Document(manifest, item.Declaration, item.Declaration is FieldDeclaration f ? $"{f.Name} of {item.Name[..^(f.Name.Length + 1)]}" : item.Spelling);
        writer.Line(item.IsExplicit ? $"[StructLayout(LayoutKind.Explicit, Size = {item.Size})]" : "[StructLayout(LayoutKind.Sequential)]");
        writer.Open($"public unsafe struct {Identifiers.Escape(item.Name)}");
        foreach (BoundField field in item.Fields)
        {
            if (field != item.Fields[0])
            {
                writer.Line();
            }

            writer.Document(manifest, field.Declaration, field.Declaration.Type.Spell(field.Declaration.Name).Replace(HeaderReader.InlineTag, "union", StringComparison.Ordinal));
            if (item.IsExplicit)
            {
                writer.Line($"[FieldOffset({field.Offset})]");
            }

            writer.Line($"public {field.Type} {Identifiers.Escape(field.Declaration.Name)};");
        }

        writer.Close();
    }

    /// <summary>The C# of a binding's enums; null when it has none.</summary>
    public static string? EmitEnums(Binding binding)
    {
        if (binding.Enums.Count == 0)
        {
            return null;
        }

        Manifest manifest = binding.Manifest;
        var writer = new CSharpWriter(Path.GetFileName(manifest.Header), ["System"], manifest.Namespace);
        foreach (BoundEnumeration item in InOrder(binding.Enums, e => e.Declaration))
        {
            writer.Line();
            writer.Document(manifest, item.Declaration, item.Spelling);
            if (item.IsFlags)
            {
                writer.Line("[Flags]");
            }

            writer.Open($"public enum {Identifiers.Escape(item.Name)} : {item.Underlying}");
            foreach (BoundMember member in item.Members)
            {
                if (member != item.Members[0])
                {
                    writer.Line();
                }

                writer.Document(manifest, member.Declaration, member.Declaration.Name);
                string value = item.Underlying == "ulong" ? $"{(ulong)member.Value}" : $"{member.Value}";
                writer.Line($"{Identifiers.Escape(member.Name)} = {value},");
            }

            writer.Close();
        }

        return writer.ToString();
    }

    /// <summary>The C# of a binding's constants; null when it has none.</summary>
    public static string? EmitConstants(Binding binding)
    {
        if (binding.Constants.Count == 0)
        {
            return null;
        }

        Manifest manifest = binding.Manifest;
        var writer = new CSharpWriter(Path.GetFileName(manifest.Header), [], manifest.Namespace);
        writer.Line();
        writer.Summary("Constants of the native headers.");
        writer.Open($"public static partial class {manifest.ConstantsClass}");
        foreach (BoundConstant constant in binding.Constants)
        {
            if (constant != binding.Constants[0])
            {
                writer.Line();
            }

            string name = Identifiers.Escape(constant.Declaration.Name);
            if (constant.Declaration is MacroDeclaration { Comment.Count: 0 } macro)
            {
                writer.Summary($"<c>{CSharpWriter.Escape(macro.Replacement)}</c>");
            }
            else
            {
                writer.Document(manifest, constant.Declaration, constant.Declaration.Name);
            }

            writer.Line(constant.IsComputed
                ? $"public static {constant.Type} {name} {{ get; }} = {constant.Value};"
                : $"public const {constant.Type} {name} = {constant.Value};");
        }

        writer.Close();
        return writer.ToString();
    }

    /// <summary>The C# of the fixed arrays that the structs of one namespace use; null when there are none.</summary>
    /// <param name="ns">The namespace.</param>
    /// <param name="lengths">The lengths.</param>
    public static string? EmitFixedArrays(string ns, IEnumerable<int> lengths)
    {
        var writer = new CSharpWriter("the arrays in the structs of this folder", ["System.Runtime.CompilerServices"], ns);
        bool any = false;
        foreach (int length in lengths)
        {
            any = true;
            writer.Line();
            writer.Summary($"{length} elements in place, as in a C array; converts to a span and is indexed like one.");
            writer.Line("/// <typeparam name=\"T\">Type of an element.</typeparam>");
            writer.Line($"[InlineArray({length})]");
            writer.Open($"public struct FixedArray{length}<T> where T : unmanaged");
            writer.Line("private T _first;");
            writer.Close();
        }

        return any ? writer.ToString() : null;
    }

    /// <summary>The C# that all files of one folder need once.</summary>
    public static string EmitAssembly()
    {
        var writer = new CSharpWriter("the manifests", ["System.Runtime.CompilerServices"], null);
        writer.Line();
        writer.Line("[assembly: DisableRuntimeMarshalling]");
        return writer.ToString();
    }

    private static IEnumerable<T> InOrder<T>(IEnumerable<T> items, Func<T, Declaration> declaration) =>
        items.OrderBy(item => declaration(item).Location.File, StringComparer.Ordinal).ThenBy(item => declaration(item).Location.Offset);
}
