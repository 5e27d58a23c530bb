namespace OmniPg.Extractor;

/// <summary>How objects are spread over files.</summary>
public enum LayoutPreset
{
    /// <summary><c>tables/app.orders.sql</c>: a folder per kind, a file per object, as the original. The default.</summary>
    PerKind,

    /// <summary><c>app/Tables/orders.sql</c>: as database projects of SQL Server tools; what lives outside schemas is in <c>Security/</c> and other folders.</summary>
    Ssdt,

    /// <summary><c>app.sql</c>: a file per schema; what lives outside schemas has a file per kind.</summary>
    PerSchema,

    /// <summary><c>tables.sql</c>: a file per kind.</summary>
    PerObjectType,

    /// <summary><c>tables.app.orders.sql</c>: a file per object, all in one folder.</summary>
    Flat,
}
