namespace OmniPg.Extractor.Archives.Reading;

/// <summary>The fields of an entry as they stand in the archive, in their order (ReadToc in pg_backup_archiver.c).</summary>
internal ref struct TocEntryFields
{
    public long Start;
    public int DumpId;
    public int HadDumper;
    public ArchiveText CatalogTableOid;
    public ArchiveText CatalogOid;
    public ArchiveText Tag;
    public ArchiveText Desc;
    public int Section;
    public ArchiveText Definition;
    public ArchiveText DropStatement;
    public ArchiveText CopyStatement;
    public ArchiveText Namespace;
    public ArchiveText Tablespace;
    public ArchiveText TableAm;
    public int RelKind;
    public ArchiveText Owner;
    public ArchiveText WithOids;

    public void Read(ref ArchiveCursor cursor, ArchiveHeader header)
    {
        Start = cursor.At("dumpId").Offset;
        DumpId = cursor.Int32("dumpId");
        HadDumper = cursor.Int32("hadDumper");
        CatalogTableOid = cursor.Text("tableoid");
        CatalogOid = cursor.Text("oid");
        Tag = cursor.Text("tag");
        Desc = cursor.Text("desc");
        Section = cursor.Int32("section");
        Definition = cursor.Text("defn");
        DropStatement = cursor.Text("dropStmt");
        CopyStatement = cursor.Text("copyStmt");
        Namespace = cursor.Text("namespace");
        Tablespace = cursor.Text("tablespace");
        TableAm = header.Version.HasTableAccessMethod ? cursor.Text("tableam") : new ArchiveText([], isNull: true, 0);
        RelKind = header.Version.HasRelationKind ? cursor.Int32("relkind") : 0;
        Owner = cursor.Text("owner");
        WithOids = cursor.Text("withOids");
    }
}
