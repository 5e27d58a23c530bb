using OmniPg.Extractor.Splitting;

namespace OmniPg.Extractor.Transforms;

/// <summary>CREATE becomes CREATE OR REPLACE where the server knows it: only in the first words of the definition, never inside a body.</summary>
internal static class OrReplace
{
    public static TocEntry Apply(TocEntry entry, int serverMajor)
    {
        if (!Knows(entry.Kind, serverMajor) || entry.Definition is not { } definition)
            return entry;
        var reader = new SqlTokenReader(definition);
        var create = reader.Next();
        var what = reader.Next();
        return create.IsKeyword("CREATE") && what.IsKeyword(entry.Desc)
            ? entry with { Definition = definition[..create.End] + " OR REPLACE" + definition[create.End..] }
            : entry;
    }

    // CREATE CONSTRAINT TRIGGER and CREATE RECURSIVE VIEW start with another second word and stay as they are.
    private static bool Knows(TocKind kind, int serverMajor) => kind switch
    {
        TocKind.Function or TocKind.Procedure or TocKind.Aggregate or TocKind.View => true,
        TocKind.Trigger => serverMajor >= 14,
        _ => false,
    };
}
