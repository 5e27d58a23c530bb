using System.Globalization;
using System.Text;
using OmniPg.Extractor.Tests;

namespace OmniPg.Extractor.Benchmarks;

/// <summary>Archives with as many entries as wanted, of the kinds and lengths that schemas of applications have.</summary>
internal static class GeneratedArchive
{
    /// <summary>Writes an archive whose entries are tables, functions, comments, grants and indexes by turns; returns its path.</summary>
    public static string WithEntries(string directory, int count)
    {
        var builder = new ArchiveBuilder();
        builder.Entries.AddRange([ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry()]);
        for (var id = 4; id <= count; id++)
            builder.Entries.Add(Entry(id));
        return Save(directory, $"toc-{count}.dump", builder);
    }

    /// <summary>Writes an archive with one table of many rows, one chunk per row as pg_dump does without compression.</summary>
    public static string WithRows(string directory, ArchiveCompression compression, int megabytes)
    {
        var builder = new ArchiveBuilder { Compression = compression, Version = new ArchiveVersion(1, compression > ArchiveCompression.Gzip ? 15 : 14) };
        var rows = Enumerable.Range(0, 1000).Select(Row).ToArray();
        var perRound = rows.Sum(row => row.Length);
        var chunks = new List<byte[]>();
        for (var size = 0L; size < megabytes * 1_000_000L; size += perRound)
            chunks.AddRange(rows);
        builder.Entries.AddRange(
        [
            ArchiveBuilder.EncodingEntry(), ArchiveBuilder.StringsEntry(), ArchiveBuilder.SearchPathEntry(),
            new(4, "TABLE DATA", "events") { Section = 3, Namespace = "app", Copy = "COPY app.events (id, at, kind, note) FROM stdin;\n", Chunks = chunks },
        ]);
        return Save(directory, $"rows-{compression}.dump", builder);
    }

    private static string Save(string directory, string name, ArchiveBuilder builder)
    {
        var path = Path.Combine(directory, name);
        File.WriteAllBytes(path, builder.Build());
        return path;
    }

    private static byte[] Row(int number) => Encoding.UTF8.GetBytes(string.Create(
        CultureInfo.InvariantCulture, $"{number * 7919L}\t2024-01-{1 + (number % 28):00} 12:{number % 60:00}:07+00\tkind {number % 7}\t{Guid.Empty} note of row {number * 104729 % 1000003}\n"));

    private static BuiltEntry Entry(int id)
    {
        var name = string.Create(CultureInfo.InvariantCulture, $"object_{id}");
        var common = new BuiltEntry(id, "TABLE", name) { TableOid = "1259", Oid = (16384 + id).ToString(CultureInfo.InvariantCulture), Namespace = $"schema_{id % 40}", Owner = $"owner_{id % 9}", Dependencies = ["4"] };
        return (id % 5) switch
        {
            0 => common with { Definition = Table(common), Drop = $"DROP TABLE {common.Namespace}.{name};\n", Tablespace = "", TableAm = "heap" },
            1 => common with { Desc = "FUNCTION", Tag = $"{name}(integer, text)", Definition = Function(common), Drop = $"DROP FUNCTION {common.Namespace}.{name}(integer, text);\n" },
            2 => common with { Desc = "COMMENT", Tag = $"TABLE {name}", Section = 1, Definition = $"COMMENT ON TABLE {common.Namespace}.{name} IS 'What the table holds and who writes to it, in one sentence';\n" },
            3 => common with { Desc = "ACL", Tag = $"TABLE {name}", Section = 1, Definition = $"GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE {common.Namespace}.{name} TO application;\nGRANT SELECT ON TABLE {common.Namespace}.{name} TO reporting;\n" },
            _ => common with { Desc = "INDEX", Tag = $"{name}_idx", Section = 4, Definition = $"CREATE INDEX {name}_idx ON {common.Namespace}.{name} USING btree (customer_id, created_at);\n", Drop = $"DROP INDEX {common.Namespace}.{name}_idx;\n", Tablespace = "" },
        };
    }

    private static string Table(BuiltEntry entry) =>
        $"CREATE TABLE {entry.Namespace}.{entry.Tag} (\n" + string.Concat(Enumerable.Range(0, 24).Select(n => $"    column_number_{n} timestamp with time zone DEFAULT now() NOT NULL,\n")) + "    id bigint NOT NULL\n);\n";

    private static string Function(BuiltEntry entry) =>
        $"CREATE FUNCTION {entry.Namespace}.{entry.Tag}(a integer, b text) RETURNS text\n    LANGUAGE plpgsql\n    AS $$\nBEGIN\n" + string.Concat(Enumerable.Range(0, 20).Select(n => $"    IF a > {n} THEN RAISE NOTICE 'step {n} of the work on %', b; END IF;\n")) + "    RETURN b;\nEND\n$$;\n";
}
