using System.Globalization;
using OmniPg.Extractor.Layout;

namespace OmniPg.Extractor.Extraction;

/// <summary>The entries of one file that belong to one stage of a script, with how many of them are written already.</summary>
internal sealed class FilePart(string file, int number)
{
    private int _written;
    private int _parts;

    public List<PlannedEntry> Entries { get; } = [];

    /// <summary>Place among the parts of its stage; breaks ties.</summary>
    public int Number { get; } = number;

    /// <summary>Entries elsewhere that must come first and have not yet.</summary>
    public int Missing { get; set; }

    public bool IsDone => _written == Entries.Count;

    public IEnumerable<PlannedEntry> Rest => Entries.Skip(_written);

    public static string WithSuffix(string file, string suffix) => $"{file[..^PathPlanner.Extension.Length]}.{suffix}{PathPlanner.Extension}";

    /// <summary>Whether the entry's text sets a default that the next entry does not expect.</summary>
    public static bool LeavesSettings(TocEntry entry) => !string.IsNullOrEmpty(entry.Tablespace) || entry.TableAm is not (null or "heap");

    /// <summary>How many of the next entries can be one file: an entry that leaves settings behind ends it.</summary>
    public int Fitting(int count)
    {
        var at = Entries.FindIndex(_written, count, static entry => LeavesSettings(entry.Entry));
        return at < 0 ? count : at - _written + 1;
    }

    /// <summary>Takes the next entries as a file of their own: <c>x.sql</c> for the first ones, then <c>x.2.sql</c> and so on.</summary>
    public (string File, IReadOnlyList<PlannedEntry> Entries) Take(int count)
    {
        var taken = Entries.GetRange(_written, count);
        _written += count;
        return (++_parts == 1 ? file : WithSuffix(file, _parts.ToString(CultureInfo.InvariantCulture)), taken);
    }
}
