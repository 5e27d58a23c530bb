using System.Globalization;
using System.Text.RegularExpressions;

namespace OmniPg.Wal;

/// <summary>A fork of a relation. Number 0 stands for a whole database in a tablespace.</summary>
internal readonly record struct RelationFork(uint Tablespace, uint Database, uint Number, short Fork)
{
    public const short Main = 0;
    public const short FreeSpace = 1;
    public const short VisibilityMap = 2;
    public const short Init = 3;
}

/// <summary>A file of a relation, as its path tells it (<c>GetRelationPath</c> of relpath.c).</summary>
/// <param name="Fork">The fork that it holds a piece of.</param>
/// <param name="File">Its number: 0 for the first file of the fork.</param>
internal readonly partial record struct RelationPath(RelationFork Fork, uint File)
{
    // pg_tablespace.dat.
    private const uint DefaultTablespace = 1663;
    private const uint GlobalTablespace = 1664;

    /// <summary>Reads a path.</summary>
    /// <param name="path">Below the data directory, or below a tablespace, whose own number such a path does not tell: then it is 0.</param>
    /// <returns>Null for what is no relation's.</returns>
    public static RelationPath? Find(string path)
    {
        if (Relation().Match(path) is not { Success: true } match)
            return null;
        var absent = match.Groups["global"].Success ? GlobalTablespace : match.Groups["default"].Success ? DefaultTablespace : 0;
        if (!TryNumber(match.Groups["tablespace"], absent, out var tablespace)
            || !TryNumber(match.Groups["database"], 0, out var database)
            || !TryNumber(match.Groups["number"], 0, out var number)
            || !TryNumber(match.Groups["file"], 0, out var file))
        {
            return null;
        }

        // forkNames of relpath.c.
        short fork = match.Groups["fork"].Value switch { "_fsm" => RelationFork.FreeSpace, "_vm" => RelationFork.VisibilityMap, "_init" => RelationFork.Init, _ => RelationFork.Main };
        return new RelationPath(new RelationFork(tablespace, database, number, fork), file);
    }

    /// <summary>Number of its first block within the fork; null for a number that no file of a relation has: somebody has put a file of such a name there.</summary>
    /// <param name="fileBlocks">Blocks in a file of a relation but its last one.</param>
    public uint? FirstBlock(uint fileBlocks) => File < uint.MaxValue / fileBlocks ? File * fileBlocks : null;

    private static bool TryNumber(Group text, uint absent, out uint number)
    {
        number = absent;
        return !text.Success || uint.TryParse(text.Value, NumberStyles.None, CultureInfo.InvariantCulture, out number);
    }

    [GeneratedRegex(@"^(?:(?<default>base)/(?<database>[1-9]\d*)|(?<global>global)|(?:pg_tblspc/(?<tablespace>[1-9]\d*)/)?PG_[^/]+/(?<database>[1-9]\d*))/(?<number>[1-9]\d*)(?<fork>_fsm|_vm|_init)?(?:\.(?<file>[1-9]\d*))?$")]
    private static partial Regex Relation();
}
