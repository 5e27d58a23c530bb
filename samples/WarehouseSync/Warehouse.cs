using Npgsql;
using OmniPg;
using OmniPg.Mimeo;
using OmniPg.Testing;
using Spectre.Console;

namespace WarehouseSync;

/// <summary>The warehouse: one table for each method, refreshed while its sources are written to, and compared in the end.</summary>
internal static class Warehouse
{
    private static readonly ReplicationSpec[] Tables =
    [
        Table(ReplicationKind.Snapshot, "shop", "products"),
        Table(ReplicationKind.Table, "crm", "countries"),
        Table(ReplicationKind.Inserter, "shop", "clicks") with { Cursor = CursorColumn.Serial("id") },
        Table(ReplicationKind.Updater, "shop", "orders") with { Cursor = CursorColumn.Serial("changed") },
        // The address stays where it is.
        Table(ReplicationKind.Dml, "crm", "customers") with { Columns = ["id", "name", "country"] },
        Table(ReplicationKind.Logdel, "crm", "contracts"),
        Table(ReplicationKind.Logical, "shop", "stock"),
    ];

    public static async Task<int> RunAsync(NpgsqlDataSource warehouse, TestDatabase shop, TestDatabase crm, int rounds, CancellationToken cancellationToken)
    {
        var mimeo = new MimeoClient(warehouse);
        await mimeo.EnsureCreatedAsync(cancellationToken);
        await mimeo.AddSourceAsync("shop", shop.ConnectionString, cancellationToken);
        await mimeo.AddSourceAsync("crm", crm.ConnectionString, cancellationToken);
        await using (var schema = warehouse.CreateCommand("CREATE SCHEMA dw"))
            await schema.ExecuteNonQueryAsync(cancellationToken);
        var set = new Table().Title("Set up").AddColumns("Table", "Method", "From", "Rows");
        try
        {
            foreach (var spec in Tables)
            {
                var created = await mimeo.CreateAsync(spec, cancellationToken: cancellationToken);
                set.AddRow(spec.Target.ToString(), spec.Kind.ToString(), $"{spec.From} {spec.Source}", $"{created.Rows}");
            }
            AnsiConsole.Write(set);
            await FollowAsync(mimeo, shop, crm, rounds, cancellationToken);
            return await CompareAsync(mimeo, cancellationToken);
        }
        finally
        {
            // Queues and slots at the sources go with the tables: a slot that nobody reads keeps its server's log for ever.
            foreach (var spec in await mimeo.ListAsync(CancellationToken.None))
                await mimeo.DropAsync(spec.Target, cancellationToken: CancellationToken.None);
        }
    }

    private static async Task FollowAsync(MimeoClient mimeo, TestDatabase shop, TestDatabase crm, int rounds, CancellationToken cancellationToken)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var writing = Sources.WriteAsync(shop, crm, stop.Token);
        var written = 0;
        var shown = new Table().Title("Refreshed while the sources are written to").AddColumns("Table", "Round", "Status", "Rows", "Milliseconds");
        try
        {
            for (var round = 1; round <= rounds; round++)
            {
                foreach (var spec in Tables)
                {
                    var result = await mimeo.RefreshAsync(spec.Target, cancellationToken: cancellationToken);
                    shown.AddRow(spec.Target.ToString(), $"{round}", result.Status.ToString(), $"{result.Rows}", $"{result.Elapsed.TotalMilliseconds:0}");
                }
            }
        }
        finally
        {
            await stop.CancelAsync();
            written = await writing;
        }
        AnsiConsole.Write(shown);
        AnsiConsole.WriteLine($"{written} transactions were written at each source meanwhile.");
    }

    // As one state of each source.
    private static async Task<int> CompareAsync(MimeoClient mimeo, CancellationToken cancellationToken)
    {
        await mimeo.RefreshGroupAsync([.. Tables.Select(t => t.Target)], cancellationToken: cancellationToken);
        var (compared, differs) = (new Table().Title("Compared by checksums").AddColumns("Table", "Rows here", "Rows there", "Equal"), false);
        foreach (var spec in Tables)
        {
            var result = await mimeo.ValidateAsync(spec.Target, new ValidationOptions { Checksum = true }, cancellationToken);
            compared.AddRow(spec.Target.ToString(), $"{result.DestinationRows}", $"{result.SourceRows}", result.IsEqual ? "yes" : "no");
            differs |= !result.IsEqual;
        }
        AnsiConsole.Write(compared);
        return differs ? 2 : 0;
    }

    private static ReplicationSpec Table(ReplicationKind kind, string from, string name) =>
        new() { Kind = kind, From = from, Source = QualifiedName.Parse($"public.{name}"), Destination = QualifiedName.Parse($"dw.{name}") };
}
