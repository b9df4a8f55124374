using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Tests;

/// <summary>What cannot be bound is an error that names the place, never left out.</summary>
public class ErrorTests
{
    private const string AllFunctions = "\"functions\": [\"x_*\"]";

    [Theory]
    [InlineData("struct x_bits {\n  int a : 3;\n};\nvoid x_f(struct x_bits *b);", AllFunctions, "x.h:2: the bit-field 'a'")]
    [InlineData("\nvoid x_f(const char *format, ...);", AllFunctions, "x.h:2: a variadic function")]
    [InlineData("void x_f(void (*callback)(int, ...));", AllFunctions, "x.h:1: a variadic function")]
    [InlineData("void x_f(long double v);", AllFunctions, "x.h:1: the type 'long double' is not supported")]
    [InlineData("\n\ndouble _Complex x_f(void);", AllFunctions, "x.h:3: the type '_Complex double")]
    [InlineData("typedef float v4 __attribute__((vector_size(16)));\nvoid x_f(v4 v);", AllFunctions, "x.h:1: the type '__attribute__")]
    [InlineData("struct x_open {\n  int n;\n  int tail[];\n};\nvoid x_f(struct x_open *o);", AllFunctions, "x.h:3: an array of open length")]
    [InlineData("\nstatic inline int x_f(int v) { return v; }", AllFunctions, "x.h:2: 'x_f' has a body or is static")]
    [InlineData("struct x_hidden;\nvoid x_f(struct x_hidden *h);", AllFunctions, "x.h:2: 'struct x_hidden' is incomplete: list its typedef under \"handles\"")]
    [InlineData("struct x_wide {\n  _Alignas(64) int v;\n};\nvoid x_f(struct x_wide w);", AllFunctions, "x.h:4: 'x_f' passes the over-aligned 'struct x_wide' by value")]
    [InlineData("int x_f(int &v);", AllFunctions, "x.h:1:")]
    [InlineData("int x_f(int v)", AllFunctions, "x.h:1:")]
    [InlineData("#define X_API __attribute__((visibility(\"default\")))", "\"constants\": [\"X_*\"]", "x.h:1: the macro 'X_API' is no value")]
    [InlineData("\nextern int x_g;\n#define X_G x_g", "\"constants\": [\"X_*\"]", "x.h:3: 'X_G' cannot be evaluated")]
    [InlineData("#define X_WIDE L\"wide\"", "\"constants\": [\"X_*\"]", "x.h:1: 'X_WIDE' cannot be evaluated")]
    [InlineData("#define X_TEXT \"\\001\"", "\"constants\": [\"X_*\"]", "x.h:1: the text of 'X_TEXT'")]
    [InlineData("void x_f(void);", "\"functions\": [\"x_g\"]", "nothing bound is called 'x_g'; correct \"functions\" in the manifest x")]
    [InlineData("void x_f(void);", "\"handles\": [\"x_h\"]", "there is no typedef 'x_h'; correct \"handles\" in the manifest x")]
    [InlineData("void x_f(void);", "\"fonctions\": [\"x_f\"]", "fonctions")]
    [InlineData("void x_f(void);", "\"uses\": [\"y\"]", "there is no manifest y.json")]
    public void Names_the_place(string header, string manifest, string expected)
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        folder.Write("x.h", header);
        string path = folder.Write("manifests/x.json", Manifest(manifest + ", \"documentationLink\": \"https://example.org/{name}\""));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(folder.Path, Path.GetDirectoryName(path)!));
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("void x_f(void);", "x.h:1: 'x_f' has no documentation comment")]
    [InlineData("/** A struct. */\nstruct x_s {\n  int v;\n};\n/** A function. */\nvoid x_f(struct x_s *s);", "x.h:3: 'v' has no documentation comment")]
    public void Own_headers_need_comments(string header, string expected)
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        folder.Write("x.h", header);
        string path = folder.Write("manifests/x.json", Manifest(AllFunctions));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(folder.Path, Path.GetDirectoryName(path)!));
        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "'x_f' does not say what it accesses; add lines such as '\\writes out[n]'")]
    [InlineData("\\write out[n]", "'x_f': '\\write' is not known")]
    [InlineData("\\holds out[n]", "'x_f': '\\holds' is not known")]
    [InlineData("\\writes uot[n]", "'x_f': there is no 'uot' among its parameters and fields")]
    [InlineData("\\writes out[m]", "'x_f': there is no 'm' among its parameters and fields")]
    [InlineData("\\writes out[d.m]", "'x_f': there is no 'd.m' among its parameters and fields")]
    [InlineData("\\writes out", "'x_f': 'out' is no buffer with dimensions; write for example out[n]")]
    [InlineData("\\writes n[n]", "'x_f': 'n' is no buffer with dimensions")]
    [InlineData("\\writes out[n", "'x_f': ']' is missing at the end of 'out [ n'")]
    [InlineData("\\writes out[n] a[n]", "'x_f': ',' is missing before 'a' of 'out [ n ] a [ n ]'")]
    [InlineData("\\writes out[n],", "'x_f': a name is missing at the end of 'out [ n ] ,'")]
    [InlineData("\\writes out[n == 1]", "'x_f': '(n == 1)' is a condition, not a number")]
    [InlineData("\\writes out[x_size()]", "'x_f': a name is missing before ')'")]
    [InlineData("\\writes out[y_size(n)]", "'x_f': there is no function 'y_size'")]
    [InlineData("\\writes out[x_size(n, n)]", "'x_f': 'x_size' has 1 arguments, not 2")]
    [InlineData("\\writes out[n] of words", "'x_f': 'words' is no element type")]
    [InlineData("\\reads a[n]", "'x_f': 'dtype' is no element type")]
    [InlineData("\\reads d", "'x_f': 'x_desc' does not say what it holds")]
    public void What_a_launcher_accesses_must_be_said(string line, string expected)
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        folder.Write("x.h", $$"""
            /** A stream. */
            typedef struct x_stream_s *x_stream;
            /** A descriptor. */
            typedef struct x_desc {
              long long k; /**< An extent. */
            } x_desc;
            /** Bytes. */
            long long x_size(long long n);
            /**
             * A function.
             * {{line}}
             */
            void x_f(x_stream s, float *out, const void *a, const x_desc *d, long long n);
            """);
        string path = folder.Write("manifests/x.json", Manifest(AllFunctions + ", \"handles\": [\"x_stream\"], \"accessStream\": \"x_stream\""));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(folder.Path, Path.GetDirectoryName(path)!));
        Assert.StartsWith($"x.h:13: {expected}", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void Only_launchers_say_what_they_access()
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        folder.Write("x.h", "/** A stream. */\ntypedef struct x_stream_s *x_stream;\n/**\n * A function.\n * \\reads a[1]\n */\nvoid x_f(float *a);");
        string path = folder.Write("manifests/x.json", Manifest(AllFunctions + ", \"handles\": [\"x_stream\"], \"accessStream\": \"x_stream\""));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(folder.Path, Path.GetDirectoryName(path)!));
        Assert.StartsWith("x.h:7: 'x_f' takes no x_stream, so \\reads says nothing about it", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_header_is_named()
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        string path = folder.Write("manifests/x.json", Manifest(AllFunctions));
        var error = Assert.Throws<GenerationException>(() => Generator.Generate(folder.Path, Path.GetDirectoryName(path)!));
        Assert.StartsWith("x.h: no such file", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_clang_is_named_with_what_installs_it()
    {
        using var empty = new TemporaryFolder();
        var error = Assert.Throws<GenerationException>(() => ClangCompiler.Require(empty.Path, empty.Path));
        Assert.Contains("apt-get install clang", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Fact]
    public void What_is_outside_the_subset_does_no_harm()
    {
        TestEnvironment.RequireClang();
        using var folder = new TemporaryFolder();
        folder.Write("x.h", "struct bits { int a : 3; };\nint other(const char *, ...);\nlong double y;\nint x_f(int v);\n");
        string path = folder.Write("manifests/x.json", Manifest(AllFunctions + ", \"documentationLink\": \"https://example.org/{name}\""));
        SortedDictionary<string, string> files = Generator.Generate(folder.Path, Path.GetDirectoryName(path)!).Files;
        Assert.Contains("delegate* unmanaged[Cdecl]<int, int> x_f;", files["out/x.Table.g.cs"], StringComparison.Ordinal);
        Assert.DoesNotContain("other", files["out/x.Table.g.cs"], StringComparison.Ordinal);
    }

    private static string Manifest(string more) => $$"""
        {
          "header": "x.h", "namespace": "X", "output": "out", "layoutOutput": "layout", "table": "XTable",
          "summary": "X.", "constantsClass": "XConstants", {{more}}
        }
        """;
}
