namespace OmniPg.Extractor.References;

/// <summary>A table whose rows are reference data.</summary>
/// <param name="Name">Schema and name.</param>
/// <param name="Owner">Owning role, unquoted.</param>
/// <param name="IsPartitioned">Whether the rows are in partitions.</param>
/// <param name="Columns">Columns that hold values of their own, in their order.</param>
/// <param name="Key">Columns of the primary key, in its order, and whether they know a collation.</param>
internal sealed record ReferenceTable(
    QualifiedName Name, string Owner, bool IsPartitioned, IReadOnlyList<PgIdentifier> Columns, IReadOnlyList<(PgIdentifier Column, bool HasCollation)> Key)
{
    public string CopyFrom => $"COPY {Name} ({ColumnList}) FROM stdin;\n";

    // The database's own collation would sort text by the libraries of its host; "C" gives one order everywhere.
    public string CopyTo =>
        $"COPY (SELECT {ColumnList} FROM {Source} ORDER BY {string.Join(", ", Key.Select(static k => k.HasCollation ? $"{k.Column} COLLATE \"C\"" : k.Column.ToString()))}) TO STDOUT";

    private string ColumnList => string.Join(", ", Columns);

    // Children by inheritance are tables of their own; partitions are read through the partitioned table.
    private string Source => IsPartitioned ? Name.ToString() : $"ONLY {Name}";
}
