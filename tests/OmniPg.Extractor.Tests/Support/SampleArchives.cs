namespace OmniPg.Extractor.Tests;

/// <summary>Small archives with all there is: names, dependencies, rows, large objects.</summary>
internal static class SampleArchives
{
    public static ArchiveBuilder Small(ArchiveVersion version, ArchiveCompression compression = ArchiveCompression.None, bool recordsPositions = false, string dumpVersion = "15.18")
    {
        var builder = new ArchiveBuilder { Version = version, Compression = compression, RecordsPositions = recordsPositions, DumpVersion = dumpVersion };
        if (version.Minor > 12)
            builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry()]);
        else
            builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry()]);
        builder.Entries.AddRange(
        [
            new(4, "SCHEMA", "app") { TableOid = "2615", Oid = "16385", Definition = "CREATE SCHEMA app;\n", Drop = "DROP SCHEMA app;\n", Owner = "ann" },
            new(5, "TABLE", "Käse") { TableOid = "1259", Oid = "16386", Definition = "CREATE TABLE app.\"Käse\" (\n    id integer\n);\n", Drop = "DROP TABLE app.\"Käse\";\n", Namespace = "app", Tablespace = "", TableAm = "heap", RelKind = 'r', Owner = "ann", Dependencies = ["4"] },
            new(6, "SEQUENCE", "ids") { TableOid = "1259", Oid = "16387", Definition = "CREATE SEQUENCE app.ids;\n", Drop = "DROP SEQUENCE app.ids;\n", Namespace = "app", Owner = "Ann O", Dependencies = ["4", "4", "999"] },
            new(7, "VIEW", "user") { TableOid = "1259", Oid = "16388", Definition = "CREATE VIEW app.\"user\" AS\n SELECT 1;\n", Drop = "DROP VIEW app.\"user\";\n", Namespace = "app", RelKind = 'v', Owner = "ann", Dependencies = ["5"] },
            new(8, "TABLE DATA", "Käse") { TableOid = "0", Oid = "16386", Section = 3, Copy = "COPY app.\"Käse\" (id) FROM stdin;\n", Namespace = "app", Owner = "ann", Dependencies = ["5"], Chunks = [.. Enumerable.Range(0, 30).Select(n => System.Text.Encoding.UTF8.GetBytes($"{n * 7919}\n")), "\\.\n\n\n"u8.ToArray()] },
            new(9, "BLOB", "4242") { TableOid = "2613", Oid = "4242", Section = 2, Definition = "SELECT pg_catalog.lo_create('4242');\n", Drop = "SELECT pg_catalog.lo_unlink('4242');\n", Owner = "ann" },
            new(10, "BLOBS", "BLOBS") { Section = 3, Owner = "", LargeObjects = [(4242, "content of one"u8.ToArray()), (4294967295, new byte[300])] },
            new(11, "SEQUENCE SET", "ids") { Section = 3, Definition = "SELECT pg_catalog.setval('app.ids', 7, true);\n", Namespace = "app", Owner = "Ann O" },
            new(12, "CONSTRAINT", "Käse k") { TableOid = "2606", Oid = "16390", Section = 4, Definition = "ALTER TABLE ONLY app.\"Käse\"\n    ADD CONSTRAINT k PRIMARY KEY (id);\n", Drop = "ALTER TABLE ONLY app.\"Käse\" DROP CONSTRAINT k;\n", Namespace = "app", Tablespace = "fast disk", Owner = "ann", Dependencies = ["5"] },
            new(13, "ACL", "SCHEMA app") { TableOid = "0", Oid = "0", Section = 1, Definition = "GRANT USAGE ON SCHEMA app TO PUBLIC;\n", Owner = "ann", Dependencies = ["4"] },
            new(14, "COMMENT", "TABLE Käse") { Section = 1, Definition = "COMMENT ON TABLE app.\"Käse\" IS 'Gouda';\n", Namespace = "app", Owner = "ann", Dependencies = ["5"] },
        ]);
        return builder;
    }
}
