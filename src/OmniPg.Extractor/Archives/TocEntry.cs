using System.Collections.Immutable;

namespace OmniPg.Extractor;

/// <summary>One entry of an archive's table of contents: one SQL object, or one property of an object. Immutable.</summary>
public sealed record TocEntry
{
    /// <summary>Number that dependencies refer to; positive and unique in the archive. It differs from dump to dump.</summary>
    public required int DumpId { get; init; }

    /// <summary>What the entry is; <see cref="TocKind.Other"/> for type texts this version does not know.</summary>
    public required TocKind Kind { get; init; }

    /// <summary>Type text as stored, for example <c>TABLE</c> or <c>FK CONSTRAINT</c>.</summary>
    public required string Desc { get; init; }

    /// <summary>Name of the object, unquoted; for some kinds several names with spaces between. Null or empty in few old entries.</summary>
    public string? Tag { get; init; }

    /// <summary>Schema of the object, unquoted; null when it belongs to none.</summary>
    public string? Namespace { get; init; }

    /// <summary>Owning role, unquoted; null or empty when the object has no owner of its own.</summary>
    public string? Owner { get; init; }

    /// <summary>Part of the restore.</summary>
    public required TocSection Section { get; init; }

    /// <summary>Pass in which pg_restore handles the entry.</summary>
    public required TocPass Pass { get; init; }

    /// <summary>SQL that creates the object; null or empty when the entry only carries data.</summary>
    public string? Definition { get; init; }

    /// <summary>SQL that drops the object; null when there is none, empty when dropping the parent object does it.</summary>
    public string? DropStatement { get; init; }

    /// <summary><c>COPY … FROM stdin;</c> with its line end; null without data and for data stored as INSERT statements.</summary>
    public string? CopyStatement { get; init; }

    /// <summary>Tablespace; null where the kind knows none, empty for the database's default.</summary>
    public string? Tablespace { get; init; }

    /// <summary>Table access method, for example <c>heap</c>; null where the kind knows none.</summary>
    public string? TableAm { get; init; }

    /// <summary><c>pg_class.relkind</c> of a relation (archive version 1.16), for example <c>p</c>; <c>'\0'</c> otherwise.</summary>
    public char RelKind { get; init; }

    /// <summary>Dump ids this entry depends on, as stored: may repeat, and may name ids that are not in the archive.</summary>
    public ImmutableArray<int> Dependencies { get; init; } = [];

    /// <summary>Whether the archive holds a data block for this entry.</summary>
    public bool HasData { get; init; }

    /// <summary>OID of the catalog the object was in when dumped; 0 for entries without a catalog row.</summary>
    public uint CatalogTableOid { get; init; }

    /// <summary>OID of the object when dumped; 0 for entries without a catalog row.</summary>
    public uint CatalogOid { get; init; }

    /// <summary>Whether the table was created <c>WITH OIDS</c>, which servers since 12 do not know.</summary>
    public bool HasOids { get; init; }

    /// <summary>Position of the entry in the table of contents, from 0.</summary>
    public required int Index { get; init; }

    /// <summary>Where the data is: <see cref="DataLocation.Unknown"/> for archives that were written to a pipe.</summary>
    internal DataLocation Data { get; init; }

    /// <summary>Short form for logs and debuggers, in the order of <c>pg_restore -l</c>.</summary>
    public override string ToString() => $"{DumpId}; {CatalogTableOid} {CatalogOid} {Desc} {Namespace ?? "-"} {Tag} {Owner}";

    /// <summary>Where the data of an entry is stored: a position in a custom archive, or a file of a directory archive.</summary>
    internal readonly record struct DataLocation(long Position, string? FileName)
    {
        /// <summary>Not recorded, because the archive was written to a pipe; or there is no data.</summary>
        public static DataLocation Unknown { get; } = new(0, null);
    }
}
