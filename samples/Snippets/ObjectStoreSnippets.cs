using OmniPg.Storage.Azure;
using OmniPg.Storage.S3;

namespace Snippets;

/// <summary>Code blocks of src/OmniPg.Storage.S3/README.md and docs/object-stores.md.</summary>
internal static class ObjectStoreSnippets
{
    public static async Task List()
    {
        #region s3-first
        await using var store = new S3ObjectStore(new S3ObjectStoreOptions { Bucket = "pg-wal", Prefix = "prod", Region = "eu-central-1" });

        await foreach (var entry in store.ListAsync(""))
            Console.WriteLine($"{entry.Key} {entry.Bytes}");
        #endregion
    }

    public static async Task Elsewhere()
    {
        #region s3-endpoint
        await using var store = new S3ObjectStore(new S3ObjectStoreOptions
        {
            Bucket = "pg-wal",
            Prefix = "prod",
            Endpoint = new Uri("https://storage.googleapis.com"),   // leave it out for Amazon itself
        });
        #endregion

        await store.IdentifyAsync();
    }

    public static async Task Azure(string account)
    {
        #region azure-first
        await using var store = new AzureBlobStore(new AzureBlobStoreOptions { ConnectionString = account, Container = "pg-wal", Prefix = "prod" });

        await foreach (var entry in store.ListAsync(""))
            Console.WriteLine($"{entry.Key} {entry.Bytes}");
        #endregion
    }

    public static async Task AzureShort(string account)
    {
        #region azure-short
        await using var store = new AzureBlobStore(new AzureBlobStoreOptions { ConnectionString = account, Container = "pg-wal", Prefix = "prod" });
        #endregion

        await store.IdentifyAsync();
    }
}
