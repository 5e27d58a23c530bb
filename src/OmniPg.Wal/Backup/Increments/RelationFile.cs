using System.Globalization;
using System.Text.RegularExpressions;

namespace OmniPg.Wal;

/// <summary>A file of a relation (<c>GetRelationPath</c> of relpath.c), told by its path. Anything else is somebody's own, whatever it looks like.</summary>
/// <param name="Fork">The fork that it is of.</param>
/// <param name="Segment">Which of the fork's files.</param>
internal readonly partial record struct RelationFile(RelationFork Fork, uint Segment)
{
    // pg_tablespace.dat.
    private const uint DefaultTablespace = 1663;
    private const uint GlobalTablespace = 1664;

    /// <summary>Reads the path of a file as the manifest tells it.</summary>
    /// <returns>Null for what is no relation's.</returns>
    public static RelationFile? Of(string path)
    {
        var match = Pattern().Match(path);
        if (!match.Success || match.Groups["increment"].Success || match.Groups["within"].Success)
            return null;
        // Numbers that no relation has.
        if (!TryNumber(match.Groups["tablespace"], match.Groups["global"].Success ? GlobalTablespace : DefaultTablespace, out var tablespace)
            || !TryNumber(match.Groups["database"], 0, out var database) || !TryNumber(match.Groups["number"], 0, out var number) || !TryNumber(match.Groups["segment"], 0, out var segment))
        {
            return null;
        }

        // forkNames of relpath.c.
        short fork = match.Groups["fork"].Value switch { "_fsm" => RelationFork.FreeSpace, "_vm" => RelationFork.VisibilityMap, "_init" => RelationFork.Init, _ => RelationFork.Main };
        return new RelationFile(new RelationFork(tablespace, database, number, fork), segment);
    }

    /// <summary>Whether a path, below the data directory or below a tablespace, is that of the changes of such a file.</summary>
    public static bool IsIncrement(string path) => Pattern().Match(path) is { Success: true } match && match.Groups["increment"].Success;

    /// <summary>Number of its first block within the fork.</summary>
    /// <param name="fileBlocks">Blocks of a file.</param>
    /// <returns>Null where no fork has so many: blocks are counted with 32 bits.</returns>
    public uint? FirstBlock(uint fileBlocks) => (Segment + 1UL) * fileBlocks <= uint.MaxValue ? Segment * fileBlocks : null;

    private static bool TryNumber(Group text, uint absent, out uint number)
    {
        number = absent;
        return !text.Success || uint.TryParse(text.Value, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    [GeneratedRegex(@"^(?:base/(?<database>[1-9]\d*)|(?<global>global)|(?:pg_tblspc/(?<tablespace>[1-9]\d*)/|(?<within>))PG_[^/]+/(?<database>[1-9]\d*))/(?<increment>INCREMENTAL\.)?(?<number>[1-9]\d*)(?<fork>_fsm|_vm|_init)?(?:\.(?<segment>[1-9]\d*))?$", RegexOptions.ExplicitCapture)]
    private static partial Regex Pattern();
}
