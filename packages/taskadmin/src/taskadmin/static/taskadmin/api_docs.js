/* The page of the API's document: Swagger UI without requests to other sites. */
"use strict";
const place = document.getElementById("api");
SwaggerUIBundle({ domNode: place, url: place.dataset.document, validatorUrl: null, docExpansion: "list", defaultModelsExpandDepth: 0 });
