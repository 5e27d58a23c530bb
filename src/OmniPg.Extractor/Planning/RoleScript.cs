using System.Text;

namespace OmniPg.Extractor;

/// <summary>Turns the script of <c>pg_dumpall --roles-only</c> into files that depend on nothing but the roles.</summary>
internal static class RoleScript
{
    public static IReadOnlyList<(string Path, byte[] Content)> Files(string script, ExtractionOptions options)
    {
        var folder = PathPlanner.FolderOf("ROLE", options.Layout);
        var statements = Statements(script);
        if (!options.RoleFiles)
            return [(Join(folder, "roles"), Bytes(statements.Select(static s => s.Text)))];
        var byRole = statements.GroupBy(static s => s.Role, StringComparer.Ordinal).OrderBy(static g => g.Key, StringComparer.Ordinal).ToList();
        var names = FileNames.Resolve(byRole.Select(g => (Path: FileNames.Apply(FileNameEncoder.Encode(g.Key)), Identity: g.Key)));
        return [.. byRole.Select(g => (Join(folder, names[FileNames.Apply(FileNameEncoder.Encode(g.Key))]), Bytes(g.Select(static s => s.Text))))];
    }

    /// <summary>Statements about roles, in the order of the script, with the role each is about.</summary>
    public static IReadOnlyList<(string Role, string Text)> Statements(string script)
    {
        // Lines that psql alone understands carry a random key.
        var sql = string.Join('\n', script.Split('\n').Where(static line => !line.StartsWith('\\')));
        return [.. StatementSplitter.Split(sql)
            .Select(static statement => (Role: RoleOf(statement.Text), statement.Text))
            .Where(static s => s.Role is not null)
            .Select(static s => (s.Role!, s.Text + ";"))];
    }

    // CREATE ROLE r, ALTER ROLE r …, COMMENT ON ROLE r, SECURITY LABEL … ON ROLE r, GRANT r TO m, GRANT … ON PARAMETER … TO r.
    private static string? RoleOf(string statement)
    {
        var reader = new SqlTokenReader(statement);
        var first = reader.Next();
        if (first.IsKeyword("GRANT") || first.IsKeyword("REVOKE"))
            return reader.SkipTo(first.IsKeyword("GRANT") ? "TO" : "FROM") ? reader.ReadName()?.Name : null;
        if (first.IsKeyword("SET") || !reader.SkipTo("ROLE"))
            return null;
        return reader.ReadName()?.Name;
    }

    private static string Join(string folder, string name) => (folder.Length == 0 ? name : $"{folder}/{name}") + PathPlanner.Extension;

    private static byte[] Bytes(IEnumerable<string> statements) => Encoding.UTF8.GetBytes(string.Join('\n', statements) + "\n");
}
