using System.Xml;

namespace OmniPg.Extractor.VersionControl;

/// <summary>One line of <c>svn status --xml</c>.</summary>
internal sealed record SvnItem(string Path, string State)
{
    public static IReadOnlyList<SvnItem> ParseStatus(string xml)
    {
        var items = new List<SvnItem>();
        using var reader = XmlReader.Create(new StringReader(xml), new XmlReaderSettings { DtdProcessing = DtdProcessing.Prohibit });
        string? path = null;
        while (reader.Read())
        {
            if (reader.NodeType != XmlNodeType.Element)
                continue;
            if (reader.Name == "entry")
                path = reader.GetAttribute("path")?.Replace('\\', '/');
            else if (reader.Name == "wc-status" && path is not null && reader.GetAttribute("item") is { } state)
                items.Add(new SvnItem(path.StartsWith("./", StringComparison.Ordinal) ? path[2..] : path, state));
        }
        return items;
    }
}
