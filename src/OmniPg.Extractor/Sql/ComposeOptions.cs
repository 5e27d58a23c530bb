namespace OmniPg.Extractor;

/// <summary>What goes into a script composed from an archive. The defaults give what <c>pg_restore -f -</c> gives.</summary>
public sealed class ComposeOptions : ICheckedOptions
{
    /// <summary>DROP statements in reverse order before everything else (<c>--clean</c>). Default false.</summary>
    public bool Clean { get; set; }

    /// <summary>DROP statements with IF EXISTS (<c>--if-exists</c>); has an effect only with <see cref="Clean"/>. Default false.</summary>
    public bool IfExists { get; set; }

    /// <summary>Leaves out ALTER … OWNER TO, and owners in comments (<c>--no-owner</c>). Default false.</summary>
    public bool NoOwner { get; set; }

    /// <summary>Leaves out GRANT and REVOKE (<c>--no-acl</c>). Default false.</summary>
    public bool NoPrivileges { get; set; }

    /// <summary>Leaves out COMMENT ON (<c>--no-comments</c>). Default false.</summary>
    public bool NoComments { get; set; }

    /// <summary>Leaves out SET default_tablespace (<c>--no-tablespaces</c>). Default false.</summary>
    public bool NoTablespaces { get; set; }

    /// <summary>Leaves out SET default_table_access_method (<c>--no-table-access-method</c>). Default false.</summary>
    public bool NoTableAccessMethod { get; set; }

    /// <summary>Definitions only, no data (<c>--schema-only</c>). Default false.</summary>
    public bool SchemaOnly { get; set; }

    /// <summary>Data only, no definitions (<c>--data-only</c>). Default false.</summary>
    public bool DataOnly { get; set; }

    /// <summary>
    /// Major version of the server that the script is for. From 19 on, which knows no <c>standard_conforming_strings = off</c>, the definitions of an archive
    /// that was written under it are rewritten. Null, the default, writes what pg_restore writes, which servers before 19 take.
    /// </summary>
    public int? TargetMajor { get; set; }

    /// <summary>Entries for which this returns false are left out (<c>--use-list</c>). Null, the default, takes all.</summary>
    public Func<TocEntry, bool>? Include { get; set; }

    void ICheckedOptions.Check(OptionsCheck check)
    {
        check.That(!SchemaOnly || !DataOnly, "SchemaOnly and DataOnly exclude each other.");
        check.That(!Clean || !DataOnly, "Clean and DataOnly exclude each other.");
    }
}
