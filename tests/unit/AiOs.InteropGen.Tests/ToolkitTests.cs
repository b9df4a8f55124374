namespace AiOs.InteropGen.Tests;

/// <summary>Headers that are not in the repository: bound where they are, left alone where they are not.</summary>
public sealed class ToolkitTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly string _manifests;
    private readonly Toolkits _toolkits;

    public ToolkitTests()
    {
        TestEnvironment.RequireClang();
        _manifests = Path.GetDirectoryName(_folder.Write("manifests/x.json", Manifest("x", "X", "\"toolkit\": \"x-1.0\"")))!;
        _folder.Write("manifests/own.json", Manifest("own", "Own", "\"include\": []"));
        _folder.Write("own.h", "int own_f(void);");
        _toolkits = new Toolkits(Path.Combine(_folder.Path, "cache"));
    }

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("x-1.0")]
    [InlineData("x-1.0-headers")]
    public void Headers_of_a_toolkit_are_found_in_the_cache(string name)
    {
        WriteHeaders(name, 2);
        string table = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Table.g.cs"];
        Assert.Contains("> x_f;", table, StringComparison.Ordinal);
        Assert.Contains("from x.h;", table, StringComparison.Ordinal);
        Assert.DoesNotContain(_folder.Path, table, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_the_toolkit_its_files_stay_and_a_line_says_so()
    {
        WriteHeaders("x-1.0", 2);
        Assert.Equal(0, Run(false, out _));
        string[] written = Files();
        Assert.Contains("x.Table.g.cs", written);
        Assert.Contains("FixedArrays.X.g.cs", written);

        Directory.Delete(Path.Combine(_folder.Path, "cache"), true);
        foreach (bool check in (bool[])[true, false])
        {
            Assert.Equal(0, Run(check, out string output));
            Assert.Equal("skipped: x, because the headers of x-1.0 are not there; get them with: eng/cuda-toolkit.sh --headers\n", output);
            Assert.Equal(written, Files());
        }

        WriteHeaders("x-1.0", 3);
        Assert.Equal(1, Run(true, out string differing));
        Assert.Contains("out/x.Structs.g.cs differs", differing, StringComparison.Ordinal);
    }

    [Fact]
    public void What_stands_between_name_and_symbol_is_taken_away()
    {
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"symbols\": \"__*_7\""));
        _folder.Write("x.h", "int __x_f_7(int v);\nstatic inline int x_f(int v) { return __x_f_7(v); }\nint __x_f_8(int v);\n");
        string table = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Table.g.cs"];
        Assert.Contains("x_f = (delegate* unmanaged[Cdecl]<int, int>)Export(library, path, \"__x_f_7\");", table, StringComparison.Ordinal);
        Assert.DoesNotContain("x_f_8", table, StringComparison.Ordinal);
    }

    [Fact]
    public void A_function_without_a_body_may_be_a_symbol_beside_those()
    {
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"symbols\": \"__*_7\"").Replace("[\"x_f\"]", "[\"x_f\", \"x_version\"]", StringComparison.Ordinal));
        _folder.Write("x.h", "int __x_f_7(int v);\nstatic inline int x_f(int v) { return __x_f_7(v); }\nint x_version(void);\nint x_other(void);\n");
        string table = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Table.g.cs"];
        Assert.Contains("\"__x_f_7\");", table, StringComparison.Ordinal);
        Assert.Contains("x_version = (delegate* unmanaged[Cdecl]<int>)Export(library, path, \"x_version\");", table, StringComparison.Ordinal);
        Assert.DoesNotContain("x_other", table, StringComparison.Ordinal);
    }

    [Fact]
    public void A_macro_that_calls_another_is_its_value_in_the_header_for_those_who_implement_it()
    {
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"constants\": [\"X_*\"], \"exclude\": [\"X_OF\"], \"nativeHeader\": \"native/x.h\""));
        _folder.Write("x.h", "struct x_s { int v[3]; };\n#define X_OF(s) (sizeof(struct s) | (2 << 8))\n#define X_SIZE X_OF(x_s)\n#define X_PLAIN (0x10)\nvoid x_f(void);\n");
        string header = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["native/x.h"];
        Assert.Contains("#define X_SIZE 524\n#define X_PLAIN (0x10)\n", header, StringComparison.Ordinal);
    }

    [Fact]
    public void A_macro_may_choose_the_symbol()
    {
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"include\": []"));
        _folder.Write("x.h", "#define X_API(f) f\n#define x_f X_API(x_f_v2)\nint x_f(int v);\n");
        string table = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Table.g.cs"];
        Assert.Contains("x_f = (delegate* unmanaged[Cdecl]<int, int>)Export(library, path, \"x_f_v2\");", table, StringComparison.Ordinal);
    }

    [Fact]
    public void A_field_without_a_rule_can_be_left_out()
    {
        const string header = "typedef struct x_s {\n  int a;\n  struct { int b : 3; } bits;\n  int c;\n} x_s;\nvoid x_f(x_s *s);";
        _folder.Write("x.h", header);
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"omittedFields\": [\"x_s.bits\"]"));
        string structs = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Structs.g.cs"];
        Assert.Contains("[StructLayout(LayoutKind.Explicit, Size = 12)]", structs, StringComparison.Ordinal);
        Assert.Contains("[FieldOffset(8)]\n    public int c;", structs, StringComparison.Ordinal);
        Assert.DoesNotContain("bits;", structs, StringComparison.Ordinal);

        _folder.Write("manifests/x.json", Manifest("x", "X", "\"omittedFields\": [\"x_s.bits\", \"x_s.bit\"]"));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(_folder.Path, _manifests, _toolkits));
        Assert.Contains("nothing bound is called 'x_s.bit'; correct \"omittedFields\"", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Members_lose_the_words_that_all_begin_with()
    {
        _folder.Write("x.h", "typedef enum { X_KIND_ONE_A, X_KIND_ONLY, X_KIND_3D } x_kind;\ntypedef enum { X_SINGLE_VALUE } x_single;\nvoid x_f(x_kind k, x_single s);");
        _folder.Write("manifests/x.json", Manifest("x", "X", "\"shortMembers\": true"));
        string enums = Generator.Generate(_folder.Path, _manifests, _toolkits).Files["out/x.Enums.g.cs"];
        Assert.All((string[])["    OneA = 0,", "    Only = 1,", "    _3d = 2,", "    Value = 0,"], line => Assert.Contains(line, enums, StringComparison.Ordinal));
    }

    private void WriteHeaders(string toolkit, int length) => _folder.Write(
        $"cache/{toolkit}/include/x.h", $"struct x_s {{ int v[{length}]; }};\nvoid x_f(struct x_s *s);");

    private int Run(bool check, out string output)
    {
        using var writer = new StringWriter { NewLine = "\n" };
        int result = Workspace.Run(check, _folder.Path, _manifests, writer, _toolkits);
        output = writer.ToString();
        return result;
    }

    private string[] Files() => [.. Directory.GetFiles(Path.Combine(_folder.Path, "out")).Select(Path.GetFileName).OfType<string>().Order(StringComparer.Ordinal)];

    private static string Manifest(string name, string ns, string more) => $$"""
        {
          "header": "{{name}}.h", "namespace": "{{ns}}", "output": "out", "layoutOutput": "layout", "table": "{{ns}}Table",
          "summary": "X.", "constantsClass": "{{ns}}Constants", "functions": ["{{name}}_f"],
          "documentationLink": "https://example.org/{name}", {{more}}
        }
        """;
}
