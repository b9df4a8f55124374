using AiOs.InteropGen.Clang;

namespace AiOs.InteropGen.Tests;

/// <summary>Reading and writing C types.</summary>
public class TypeParserTests
{
    [Theory]
    [InlineData("int", "int x")]
    [InlineData("const char *const *", "const char *const *x")]
    [InlineData("unsigned long long", "unsigned long long x")]
    [InlineData("int64_t[8]", "int64_t x[8]")]
    [InlineData("int[2][3]", "int x[2][3]")]
    [InlineData("struct point *[4]", "struct point *x[4]")]
    [InlineData("int (*)[3]", "int (*x)[3]")]
    [InlineData("void (*)(const char *, int[3])", "void (*x)(const char *, int [3])")]
    [InlineData("int (*(*)(void))(float)", "int (*(*x)(void))(float)")]
    [InlineData("void (*[2])(int)", "void (*x[2])(int)")]
    [InlineData("void (**)(void)", "void (**x)(void)")]
    [InlineData("int (int, ...)", "int x(int, ...)")]
    [InlineData("char *restrict", "char *x")]
    public void Round_trips(string spelling, string declaration) =>
        Assert.Equal(declaration, TypeParser.Parse(spelling).Spell("x"));

    [Theory]
    [InlineData("")]
    [InlineData("int )")]
    [InlineData("int (*")]
    [InlineData("int [n]")]
    [InlineData("_Atomic(int)")]
    [InlineData("int &")]
    public void Keeps_what_it_has_no_rule_for(string spelling) => Assert.Equal(new CUnknown(spelling), TypeParser.Parse(spelling));
}
