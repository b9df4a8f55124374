namespace AiOs.Runtime;

/// <summary>
/// What all self-contained HTML pages begin with, here and in the projects above: their look in light and dark. A page's own
/// file goes on from there, so that its style has the last word.
/// </summary>
internal static class HtmlPage
{
    /// <summary>The text of a page, with places to fill in {{braces}}.</summary>
    /// <param name="owner">A type of the assembly that has the page's own part.</param>
    /// <param name="resource">The name of that part there.</param>
    public static string Template(Type owner, string resource) => Read(typeof(HtmlPage), "head.html") + Read(owner, resource);

    private static string Read(Type owner, string resource)
    {
        using System.IO.Stream stream = owner.Assembly.GetManifestResourceStream(resource)!;
        using var reader = new StreamReader(stream);
        return reader.ReadToEnd();
    }
}
