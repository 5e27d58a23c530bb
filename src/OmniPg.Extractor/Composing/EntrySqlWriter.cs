using System.Text;

namespace OmniPg.Extractor.Composing;

/// <summary>Writes entries as the SQL text that pg_restore gives them, and keeps the session state that runs along with the text.</summary>
/// <remarks>
/// One instance per script or file: <c>default_tablespace</c> and <c>default_table_access_method</c> are set only where an entry needs another
/// value than the one before it. Not thread-safe.
/// </remarks>
internal sealed class EntrySqlWriter
{
    private const int PartitionedTable = 'p';
    private readonly ComposeOptions _options;
    private readonly SqlNames _names;
    private readonly OwnerStatement _owner;
    private readonly Func<int, TocEntry?> _find;
    private readonly bool _setsSearchPath;
    private string? _schema;
    private string? _tablespace;
    private string? _tableAm;

    /// <param name="options">What to leave out.</param>
    /// <param name="dumpVersion">Text of <see cref="ArchiveHeader.DumpVersion"/>: decides spellings that differ by major.</param>
    /// <param name="find">Entry by dump id, for grants on groups of large objects.</param>
    /// <param name="setsSearchPath">
    /// Whether names in the text are unqualified and need a search path: true for archives without <see cref="ArchiveSession.SearchPathStatement"/>.
    /// </param>
    public EntrySqlWriter(ComposeOptions options, string dumpVersion, Func<int, TocEntry?> find, bool setsSearchPath = false)
    {
        _setsSearchPath = setsSearchPath;
        _options = options;
        var major = DumpMajor.Of(dumpVersion);
        _names = new SqlNames(major);
        _owner = new OwnerStatement(_names, major);
        _find = find;
    }

    /// <summary>Session settings, comment block, definition, owner.</summary>
    public void AppendDefinition(StringBuilder sql, TocEntry entry)
    {
        AppendSettings(sql, entry);
        EntryHeader.Append(sql, entry, _options, isData: false);
        AppendBody(sql, entry);
        if (!_options.NoOwner)
            _owner.Append(sql, entry);
        if (entry.RelKind == PartitionedTable && !string.IsNullOrEmpty(entry.TableAm) && !_options.NoTableAccessMethod)
            sql.Append("ALTER TABLE ").Append(_names.Qualify(entry.Namespace, entry.Tag ?? "")).Append(" SET ACCESS METHOD ").Append(_names.Quote(entry.TableAm)).Append(";\n\n");
    }

    /// <summary>What stands before the data of an entry: settings, comment block, definition if it only carries a remark, COPY.</summary>
    public void AppendDataHead(StringBuilder sql, TocEntry entry)
    {
        AppendSettings(sql, entry);
        EntryHeader.Append(sql, entry, _options, isData: true);
        AppendBody(sql, entry);
        if (!_options.NoOwner)
            _owner.Append(sql, entry);
        if (entry.Kind == TocKind.Blobs)
            AppendSearchPath(sql, "pg_catalog");
        sql.Append(entry.CopyStatement);
    }

    /// <summary>DROP statement, if the entry has one.</summary>
    public void AppendDrop(StringBuilder sql, TocEntry entry)
    {
        if (entry.DropStatement is not null)
            AppendSearchPath(sql, entry.Namespace);
        DropStatement.Append(sql, entry, _options.IfExists);
    }

    /// <summary>Forgets the search path, which may name a schema that was dropped.</summary>
    public void ForgetSearchPath() => _schema = null;

    private void AppendSearchPath(StringBuilder sql, string? schema)
    {
        if (!_setsSearchPath || string.IsNullOrEmpty(schema) || schema == _schema)
            return;
        sql.Append("SET search_path = ").Append(_names.Quote(schema)).Append(schema == "pg_catalog" ? ";\n\n" : ", pg_catalog;\n\n");
        _schema = schema;
    }

    private void AppendBody(StringBuilder sql, TocEntry entry)
    {
        if (entry.Kind == TocKind.BlobMetadata)
            LargeObjectStatements.Append(sql, entry, "SELECT pg_catalog.lo_create('", "')");
        else if (GroupOfAcl(entry) is { } group)
            LargeObjectStatements.AppendAcl(sql, group, entry.Definition ?? "");
        else if (_options.NoOwner && entry.Kind == TocKind.Schema && entry.Definition?.StartsWith("--", StringComparison.Ordinal) == false)
            sql.Append("CREATE SCHEMA ").Append(_names.Quote(entry.Tag ?? "")).Append(";\n\n\n");
        else if (!string.IsNullOrEmpty(entry.Definition))
            sql.Append(entry.Definition).Append("\n\n");
    }

    private TocEntry? GroupOfAcl(TocEntry entry)
    {
        if (entry.Kind != TocKind.Acl || entry.Tag?.StartsWith("LARGE OBJECTS ", StringComparison.Ordinal) != true || entry.Dependencies.IsEmpty)
            return null;
        return _find(entry.Dependencies[0]) is { Kind: TocKind.BlobMetadata } group ? group : null;
    }

    private void AppendSettings(StringBuilder sql, TocEntry entry)
    {
        AppendSearchPath(sql, entry.Namespace);
        if (entry.Tablespace is { } tablespace && tablespace != _tablespace && !_options.NoTablespaces)
        {
            sql.Append("SET default_tablespace = ").Append(tablespace.Length == 0 ? "''" : _names.Quote(tablespace)).Append(";\n\n");
            _tablespace = tablespace;
        }
        if (entry.TableAm is { } tableAm && tableAm != _tableAm && entry.RelKind != PartitionedTable && !_options.NoTableAccessMethod)
        {
            sql.Append("SET default_table_access_method = ").Append(_names.Quote(tableAm)).Append(";\n\n");
            _tableAm = tableAm;
        }
    }
}
