using Npgsql;
using OmniPg;
using OmniPg.Mimeo;

namespace Snippets;

/// <summary>Code blocks of src/OmniPg.Mimeo/README.md and docs/mimeo.md.</summary>
internal static class MimeoSnippets
{
    public static async Task FirstMinute(string warehouse, string shop)
    {
        #region mimeo-first-minute
        await using var dataSource = NpgsqlDataSource.Create(warehouse);
        var mimeo = new MimeoClient(dataSource);
        await mimeo.EnsureCreatedAsync();                         // once per destination; may be repeated
        await mimeo.AddSourceAsync("shop", shop);                 // Host=…;Database=…;Username=…

        await mimeo.CreateAsync(new ReplicationSpec               // sets up, pulls the first rows, builds the indexes
        {
            Kind = ReplicationKind.Snapshot,
            From = "shop",
            Source = QualifiedName.Parse("public.orders"),
            Destination = QualifiedName.Parse("dw.orders"),
        });

        var result = await mimeo.RefreshAsync(QualifiedName.Parse("dw.orders"));
        Console.WriteLine($"{result.Status}: {result.Rows} rows, {result.Elapsed.TotalSeconds:0.0} s");
        #endregion
    }

    public static async Task Growing(MimeoClient mimeo, CancellationToken ct)
    {
        #region mimeo-updater
        await mimeo.CreateAsync(new ReplicationSpec
        {
            Kind = ReplicationKind.Updater,
            From = "shop",
            Source = QualifiedName.Parse("public.customers"),
            Destination = QualifiedName.Parse("dw.customers"),
            Columns = ["id", "country", "updated_at"],            // the e-mail address stays where it is
            Condition = "WHERE NOT is_test",
            Cursor = CursorColumn.Time("updated_at", "5 minutes"),
            BatchLimit = 1_000_000,
        }, cancellationToken: ct);

        await mimeo.RefreshAsync(QualifiedName.Parse("dw.customers"),
            new RefreshOptions { Repull = Repull.Between("2026-11-01", "2026-11-08") }, cancellationToken: ct);
        #endregion
    }
}
