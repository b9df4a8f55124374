using AiOs.InteropGen.Model;

namespace AiOs.InteropGen.Emit;

/// <summary>Emits the class of function pointers.</summary>
public static class TableEmitter
{
    /// <summary>The C# of the table.</summary>
    /// <param name="binding">What to emit.</param>
    public static string Emit(Binding binding)
    {
        Manifest manifest = binding.Manifest;
        var writer = new CSharpWriter(Path.GetFileName(manifest.Header), ["System", "System.Collections.Generic", "System.Runtime.InteropServices"], manifest.Namespace);
        writer.Line();
        writer.Summary(CSharpWriter.Escape(manifest.Summary));
        writer.Open($"public sealed unsafe class {manifest.Table}");
        if (manifest.Libraries.Count > 0)
        {
            writer.Summary("File names of the library, the preferred one first.");
            writer.Line($"public static IReadOnlyList<string> LibraryNames {{ get; }} = [{string.Join(", ", manifest.Libraries.Select(name => $"\"{name}\""))}];");
            writer.Line();
        }

        EmitConstructor(writer, binding);
        if (manifest.AccessStream.Length > 0)
        {
            EmitObserved(writer, binding);
        }

        foreach (BoundFunction function in binding.Functions)
        {
            writer.Line();
            writer.Document(manifest, function.Declaration with { Name = function.Field }, function.Declaration.Prototype(function.Field));
            writer.Line($"public readonly {function.PointerType} {function.Field};");
            if (function.IsOptional)
            {
                writer.Line();
                writer.Summary($"Whether the library has <c>{function.Field}</c>; the field is null when it does not.");
                writer.Line($"public bool Has{Identifiers.Capitalize(function.Field)} => {function.Field} != null;");
            }
        }

        EmitExport(writer, binding);
        writer.Close();
        return writer.ToString();
    }

    private static void EmitConstructor(CSharpWriter writer, Binding binding)
    {
        writer.Summary("Looks up every function in a library.");
        writer.Line("/// <param name=\"library\">Handle of the loaded library, which must stay loaded while the table is used.</param>");
        writer.Line("/// <param name=\"path\">Path or name of the library, for the error.</param>");
        writer.Line("/// <exception cref=\"EntryPointNotFoundException\">The library lacks a function.</exception>");
        writer.Open($"public {binding.Manifest.Table}(nint library, string path = \"{binding.Manifest.Libraries.FirstOrDefault("the library")}\")");
        foreach (BoundFunction function in binding.Functions)
        {
            string lookup = function.IsOptional ? $"Find(library, \"{function.Symbol}\")" : $"Export(library, path, \"{function.Symbol}\")";
            writer.Line($"{function.Field} = ({function.PointerType}){lookup};");
        }

        writer.Close();
    }

    private static void EmitObserved(CSharpWriter writer, Binding binding)
    {
        string table = binding.Manifest.Table;
        writer.Line();
        writer.Open($"private {table}({table} provider)");
        foreach (BoundFunction function in binding.Functions)
        {
            bool isLauncher = AccessBuilder.IsLauncher(binding.Manifest, function);
            writer.Line($"{function.Field} = {(isLauncher ? $"&{table}Accesses." : "provider.")}{function.Field};");
        }

        writer.Close();
        writer.Line();
        writer.Line("/// <summary>");
        writer.Line("/// A table whose launchers tell the observer of their stream what they access before they call the provider's; see");
        writer.Line("/// <see cref=\"AccessObserver\"/>. The other functions are the provider's own.");
        writer.Line("/// </summary>");
        writer.Line($"public {table} Observed() => new(this);");
    }

    private static void EmitExport(CSharpWriter writer, Binding binding)
    {
        if (binding.Functions.Any(f => !f.IsOptional))
        {
            writer.Line();
            writer.Line("private static void* Export(nint library, string path, string symbol) => NativeLibrary.TryGetExport(library, symbol, out nint address)");
            writer.Line("    ? (void*)address");
            writer.Line("    : throw new EntryPointNotFoundException($\"{path} does not export {symbol}; install or build a version that does\");");
        }

        if (binding.Functions.Any(f => f.IsOptional))
        {
            writer.Line();
            writer.Line("private static void* Find(nint library, string symbol) => NativeLibrary.TryGetExport(library, symbol, out nint address) ? (void*)address : null;");
        }
    }
}
