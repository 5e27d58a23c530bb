using System.Globalization;
using OmniPg.Extractor.Kinds;

namespace OmniPg.Extractor.Extraction;

/// <summary>Natural keys of entries: kind, schema and name, numbered in replay order where that is not unique.</summary>
internal sealed class EntryKeys
{
    private readonly Dictionary<string, int> _seen = new(StringComparer.Ordinal);

    public string Next(TocEntry entry)
    {
        var name = entry.Kind switch
        {
            TocKind.Operator or TocKind.OperatorClass or TocKind.OperatorFamily => ObjectNames.NameOf(entry),
            TocKind.DefaultAcl => $"{entry.Tag} OF {entry.Owner}",
            TocKind.Database or TocKind.DatabaseProperties => ObjectNames.Database.Name,
            _ => entry.Tag,
        };
        var key = entry.Namespace is null ? $"{entry.Desc} {name}" : $"{entry.Desc} {entry.Namespace}.{name}";
        var number = _seen[key] = _seen.GetValueOrDefault(key) + 1;
        return number == 1 ? key : key + " #" + number.ToString(CultureInfo.InvariantCulture);
    }
}
